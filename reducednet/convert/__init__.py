"""Convert networks from and to scikit-learn, PyTorch and Keras.

May import `reduced_space` and the rooms below it.
"""
