"""One hidden layer in its unique form, and with the fewest neurons.

May import `reduced_space` and the rooms below it.
"""
