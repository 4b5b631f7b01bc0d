"""Prove that two networks are the same function, or show where they differ (PROOFS, part II).

May import `files`, `canonical` and the rooms below them.
"""
