"""Fixtures of this folder."""

from loopback import no_waiting, site  # noqa: F401  # fixtures
