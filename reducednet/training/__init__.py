"""Training in both parameter spaces: one function `train`, one module a method in `methods/`.

May import `reduced_space` and the rooms below it.
"""
