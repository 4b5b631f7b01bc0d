"""Functions of arrays alone: rounding, exact sums, rationals, the unit sphere, equal rows, low rank, subset sums.

May import `_validation`.
"""
