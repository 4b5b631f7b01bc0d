"""Functions of arrays alone: rounding, exact sums, rationals, sphere, equal rows, ranks, subsets.

May import `_validation`.
"""
