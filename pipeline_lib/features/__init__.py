"""The frozen backbone's features: the engine that computes them, and the shards that keep them."""
