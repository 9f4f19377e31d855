"""Wiring only: which stages, in which order, with which settings; one file a flow, and the command line."""
