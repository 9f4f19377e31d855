"""Fixtures of this folder."""

from folders import draw, make_dataset  # noqa: F401  # fixtures
