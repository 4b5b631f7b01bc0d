"""Training in both parameter spaces: `train`, and one module per optimiser in `methods/`.

`global_optima/` bounds what training can reach, and constructs networks that reach it.

May import `reduced_space` and the rooms below it.
"""
