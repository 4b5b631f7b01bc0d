"""Training in both parameter spaces: `train`, and one module per optimiser in `methods/`.

May import `reduced_space` and the rooms below it.
"""
