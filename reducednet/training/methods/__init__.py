"""The optimisers, one module each; `train` imports the one it needs.

May import `training`, except `train`, and the rooms below it.
"""
