"""Prove that two networks are the same function, or show where they differ (THEORY, section 9).

May import `files`, `canonical` and the rooms below them.
"""
