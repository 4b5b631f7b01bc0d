"""Proofs as data, and the checkers that go through them again without any code of the provers.

May import the plain records of a network and a domain, and `files` to save and load.
"""
