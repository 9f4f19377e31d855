"""Where the remote result store is, and whether it is written to: ``GARBAGE_REMOTE`` and ``GARBAGE_REMOTE_MODE``."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pipeline_lib.errors import PipelineError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ADDRESS = "GARBAGE_REMOTE"
MODE = "GARBAGE_REMOTE_MODE"
MODES = ("read", "readwrite")
SCHEMES = ("s3", "gs", "az", "file")

CLIENT = {
    "allow_http": True,  # an endpoint of one's own on loopback or in a closed network; the address says which it is
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(minutes=15),  # of one request: a blob of a gigabyte on a slow line
}
RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


class Address(NamedTuple):
    """A remote store.

    Attributes:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix`` or ``file:///folder``.
        writes: Whether results are published there too, or only fetched.
    """

    url: str
    writes: bool

    def open(self) -> ObjectStore:
        """Return the client of the store; what it needs beside the address is in the usual environment (``AWS_*`` and others).

        Raises:
            PipelineError: The address is none, or lacks something; or the folder is not there.
        """
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        local = urlsplit(self.url).scheme == "file"
        options: dict[str, Any] = {"mkdir": self.writes} if local else {"client_options": CLIENT, "retry_config": RETRIES}
        try:
            return from_url(self.url, **options)
        except (BaseError, ValueError) as error:
            raise PipelineError(f"{ADDRESS}={self.url} cannot be opened: {first_line(error)}") from error


def address_in_environment() -> Address | None:
    """Return the remote store that the environment names; None if it names none.

    Raises:
        PipelineError: The address is of no known kind, or the mode is none.
    """
    url, mode = os.environ.get(ADDRESS, "").strip(), os.environ.get(MODE, "").strip() or MODES[0]
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or (parts.scheme == "file") != (not parts.netloc):
        raise PipelineError(
            f"{ADDRESS}={url} is no address of a result store; write s3://bucket/prefix, gs://bucket/prefix, "
            "az://container/prefix or file:///folder"
        )
    if mode not in MODES:
        raise PipelineError(f"{MODE}={mode} is no mode; it is {' or '.join(MODES)}")
    return Address(url.rstrip("/"), writes=mode == MODES[1])


def first_line(error: BaseException) -> str:
    """Return what a client's error says; what follows its first line is for whoever looks for a defect in the client."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
