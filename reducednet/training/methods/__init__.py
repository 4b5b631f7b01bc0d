"""The optimisers; `train` imports the module it needs.

May import `training`, except `train`, and the rooms below it.
"""
