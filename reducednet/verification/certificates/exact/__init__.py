"""Check certificates in rational arithmetic: slow and obvious, one module a kind of evidence.

Written from docs/certificates.md alone, whose numbered formulas the comments name. With exact
arithmetic there is no rounding to account for, so each module is school mathematics. These checkers
are for small certificates, up to a few thousand parameters, for teaching, and the referee of the
fast ones in the tests. This room imports NumPy, the standard library and the plain records of
networks and domains only.
"""
