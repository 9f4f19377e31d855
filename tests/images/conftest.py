"""Fixtures of this folder."""

from folders import draw, make_dataset  # noqa: F401  # fixtures
from loopback import no_waiting, site  # noqa: F401
