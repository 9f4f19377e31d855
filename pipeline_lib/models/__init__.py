"""Networks, their pretrained weights, and the preparation of images that belongs to them."""
