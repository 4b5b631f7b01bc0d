"""Symbolic rows of neurons, their bounds by back-substitution, and differences of networks by them.

May import `certificates` and the rooms below `verification`.
"""
