"""Global optima of training, proved: bounds that no network of a given size can beat.

One input: `training_limit`, `fit_exact`, `neurons_needed`; docs/global-optima.md has the theorems.
The exact arithmetic is in `partitions`, `meeting_conditions` and `exact_error`, the choice of each
neuron's side in `orientations`, the record in `limits`. One or two inputs and any width:
`fit_convex`, with the maximum over all neurons in `neuron_oracle` and the proof in `optimality`.
May import the rooms below `training` and its other modules except `train`, which finds what it
needs here by name.
"""
