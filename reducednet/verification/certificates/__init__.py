"""Proofs as data, and checkers that check them again without any code of the provers.

The checkers (`check_...`) import NumPy and the standard library alone. `certificate` and `schemas`
may import `files` and the rooms below it.
"""
