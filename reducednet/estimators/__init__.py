"""Regressor and classifier with scikit-learn's conventions.

May import `training`, `canonical` and the rooms below them.
"""
