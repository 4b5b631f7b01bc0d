"""Global optima of training, proved: bounds that no network of a given size can beat.

One input: `training_limit`, `fit_exact`, `neurons_needed`. The exact arithmetic is in `partitions`
and `exact_error`, the choice of each neuron's side in `orientations`. May import what `training`
may, and the other modules of `training` except `train`, which finds this folder by name.
"""
