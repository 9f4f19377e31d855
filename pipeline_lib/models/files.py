"""What the files of a backbone are called, for those too who hand them on and read none."""

BACKBONE = "backbone"
"""Folder of the backbone inside that of a model."""

CHECKPOINT = "backbone.ckpt"
SPEC = "backbone.json"
ONNX = "backbone.onnx"
"""Files of a backbone's folder: its parameters, its specification, and its graph with the pooling behind it."""
