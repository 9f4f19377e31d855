"""The stages of the flow garbage-sweep that are its own, one file each."""
