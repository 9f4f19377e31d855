"""Datasets: where their bytes come from, what is accepted as an image, and what an audit finds in them."""
