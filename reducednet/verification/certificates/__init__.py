"""Proofs as data, and checkers that check them again without any code of the provers.

What has to be trusted is here, and nothing else. The checkers (`check_...`) and the arithmetic that
they share import NumPy, the standard library and one another; the slow ones in `exact` besides the
plain records of a network and a domain. The modules around them may import these records and
`_validation`, for its messages; `certificate_files` also the writers and readers of
`files/archives`. docs/certificates.md defines what is checked.
"""
