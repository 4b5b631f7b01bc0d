"""Proofs as data, and checkers that check them again without any code of the provers.

What has to be trusted is here, and nothing else. The checkers (`check_...`) and the arithmetic that
they share import NumPy, the standard library and one another. The modules around them may import
the plain records of a network and a domain and `_validation`, for its messages; `certificate_files`
also the writers and readers of `files/archives`. docs/certificates.md defines what is checked.
"""
