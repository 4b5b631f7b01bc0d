"""The optimisers, one module each; `train` loads the one that is asked for.

May import the rest of `training` but `train`, and the rooms below it.
"""
