"""Save and load networks, training results and boxes: .npz, .nnet, .onnx, VNN-LIB.

May import `training`, `convert` and the rooms below them.
"""
