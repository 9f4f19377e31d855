"""From which probability on an answer counts as sure."""

SURE = 0.6
"""Least calibrated probability, 0..1. The report says which share of the photographs reaches it, and how much is right."""
