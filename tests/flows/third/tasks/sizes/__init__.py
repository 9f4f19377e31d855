"""The stages of the flow picture-sizes, one file each."""
