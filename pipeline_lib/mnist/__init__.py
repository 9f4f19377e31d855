"""Small grey images for LeNet-5."""
