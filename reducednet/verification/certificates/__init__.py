"""Proofs as data, and checkers that check them again without any code of the provers.

May import the plain records of a network and a domain, and `files` to save and load.
"""
