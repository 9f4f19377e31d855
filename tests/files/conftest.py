"""Shared by the tests of downloads: a web server with faults on order."""

from loopback import no_waiting, site  # noqa: F401  # fixtures
