"""Regress and classify with scikit-learn's conventions.

May import `training`, `canonical` and the rooms below them.
"""
