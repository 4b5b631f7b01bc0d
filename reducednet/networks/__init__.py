"""A network and its evaluation: parameters, forward and backward passes, activations, losses.

May import `_validation`, `numerics` and `domains`.
"""
