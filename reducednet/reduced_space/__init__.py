"""The paper: unit weight vectors and bounded thresholds, and the mapping that keeps the function.

May import `networks` and the rooms below it.
"""
