"""From which probability on an answer counts as sure."""

SURE = 0.6
"""Least calibrated probability, 0..1. Four of five answers on sources never seen are above it, nine of ten of these right."""
