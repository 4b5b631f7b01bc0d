"""Compress networks to fewer neurons with the same function, and prove it.

May import `verification` and the rooms below it.
"""
