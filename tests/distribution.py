"""How ``make test`` hands tests to the processes of pytest-xdist: together what shares a server, first what waits for one."""

from __future__ import annotations

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

# Folders whose tests start programs and wait for them, those that take longest first.
SLOW = ("operation", "flows", "cli")


def turn(file: PurePath) -> int:
    """When the tests of a file are due: the short ones at the end, so that all processes end together."""
    return SLOW.index(file.parent.name) if file.parent.name in SLOW else len(SLOW)


# Files whose tests share what takes long to make: a server with its worker and watchman, or a run to look at.
SHARED = (
    {"test_deployed", "test_suspended"},
    {"test_nightly", "test_notified", "test_ui", "test_worker_killed"},
    {"test_browser"},
)


class ByServer(LoadScopeScheduling):
    """Hands out as one what is shared, one by one all else in a slow folder, and the rest by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        for number, shared in enumerate(SHARED, start=1):
            if file.stem in shared:
                return f"shared {number}"
        return nodeid if file.parent.name in SLOW else str(file)
