"""Networks, boxes and results in files: .npz, .nnet, .onnx, VNN-LIB.

May import `training`, `convert` and the rooms below them.
"""
