"""Neurons written over the inputs and the unstable neurons below, bounded by back-substitution.

May import `certificates` and the rooms below `verification`.
"""
