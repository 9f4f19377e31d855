"""Shared by the tests of downloads: a web server with faults on order, a small disk, and a registry that is a folder."""

from loopback import no_waiting, site  # noqa: F401  # fixtures
