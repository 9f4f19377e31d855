"""Processes that are measured: each warms up, measures once, and prints one JSON object as its last line."""
