"""Objects in a remote store: named ones that are created once, and blobs that are named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline_lib.errors import OutOfReachError, PipelineError
from pipeline_lib.remote.address import Address, first_line

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE = 1 << 20
"""Bytes that are held of a blob at a time."""

CONNECTIONS = ThreadPoolExecutor(32, "remote")
"""The threads that transfer blobs: latencies add up if one waits for the other. Work that they do must not wait for them."""

_PROBE = "writable"
_METADATA_SERVICES = ("/latest/api/token", "169.254.", "metadata.google.internal")


class DamagedError(Exception):
    """An object is missing that another one names, or is not what its name says.

    Attributes:
        name: Its name in the bucket.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name} {what}")
        self.name = name


class Found(NamedTuple):
    """An object in a bucket: its name, its bytes, and when it was written."""

    name: str
    bytes: int
    written: datetime


def blob_name(sha256: str) -> str:
    """Return where the bytes of that digest are."""
    return f"blobs/{sha256[:2]}/{sha256}"


class Bucket:
    """A remote store, or the part of it below a prefix.

    Everything but `check` raises `OutOfReachError` for whatever the store refuses or fails to do: once it has worked, that
    may be over soon, and a run can do without.
    """

    def __init__(self, store: ObjectStore, url: str) -> None:
        self.url = url
        self._store = store

    @classmethod
    def at(cls, address: Address) -> Bucket:
        """Return the bucket at an address, which is not contacted yet."""
        return cls(address.open(), address.url)

    def check(self, *, writes: bool) -> None:
        """Ask the store for something, and write something if it is to be written to.

        Raises:
            PipelineError: It refuses, or there is no such bucket, or credentials are missing.
            OutOfReachError: It does not answer.
        """
        from obstore.exceptions import BaseError

        try:
            next(iter(self._store.list("runs", chunk_size=1)), None)
            if writes:
                self._store.put(_PROBE, b"")
        except (BaseError, FileNotFoundError) as error:
            raise _refusal(self.url, error) from error

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None if there is none."""
        with self._reached():
            try:
                return bytes(self._store.get(name).bytes())
            except FileNotFoundError:
                return None

    def create(self, name: str, content: bytes) -> bool:
        """Write an object, all of it or nothing, unless there is one of that name; return whether it was written."""
        from obstore.exceptions import AlreadyExistsError

        with self._reached():
            try:
                self._store.put(name, content, mode="create")
            except AlreadyExistsError:
                return False
            return True

    def look(self, name: str) -> Found | None:
        """Return what is known of an object without its bytes; None if there is none."""
        with self._reached():
            try:
                found = self._store.head(name)
            except FileNotFoundError:
                return None
            return Found(name, found["size"], found["last_modified"])

    def list(self, folder: str) -> Iterator[Found]:
        """Yield all objects below a folder."""
        with self._reached():
            for page in self._store.list(folder, chunk_size=1000):
                yield from (Found(each["path"], each["size"], each["last_modified"]) for each in page)

    def remove(self, name: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with self._reached(), suppress(FileNotFoundError):
            self._store.delete(name)

    def send(self, file: Path, sha256: str) -> None:
        """Write a file as the blob of its digest."""
        with self._reached():
            self._store.put(blob_name(sha256), file)

    def fetch(self, sha256: str, file: Path) -> int:
        """Write the blob of a digest into a new file and return its bytes.

        A blob that arrives with other bytes is asked for once more: a line may have failed, and not the store.

        Raises:
            DamagedError: It is missing, or is not what its name says.
        """
        name = blob_name(sha256)
        for _ in range(2):
            digest, size = hashlib.sha256(), 0
            with file.open("wb") as target:
                for piece in self._pieces(name):
                    digest.update(piece)
                    size += target.write(piece)
            if digest.hexdigest() == sha256:
                return size
        raise DamagedError(name, "has other bytes than its name says")

    def measure(self, sha256: str) -> int:
        """Return the bytes of the blob of a digest, all of which are read; raises DamagedError as `fetch` does."""
        digest, size = hashlib.sha256(), 0
        for piece in self._pieces(blob_name(sha256)):
            digest.update(piece)
            size += len(piece)
        if digest.hexdigest() != sha256:
            raise DamagedError(blob_name(sha256), "has other bytes than its name says")
        return size

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._reached():
            try:
                yield from map(bytes, self._store.get(name).stream(min_chunk_size=PIECE))
            except FileNotFoundError:
                raise DamagedError(name, "is missing") from None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise OutOfReachError(f"{self.url}: {first_line(error)}") from error


def _refusal(url: str, error: Exception) -> PipelineError:
    """Return what is to be said of a store that does not let us in, or does not answer."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    said = str(error)
    if any(service in said for service in _METADATA_SERVICES):
        return PipelineError(
            f"There are no credentials for {url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what the store's "
            "kind asks for (GOOGLE_*, AZURE_*)"
        )
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in said or "401 Unauthorized" in said:
        return PipelineError(f"{url} refuses these credentials: check them, what they may do, and GARBAGE_REMOTE_MODE")
    if isinstance(error, FileNotFoundError) or "404 Not Found" in said:
        return PipelineError(f"{url} is not there: make the bucket, or correct GARBAGE_REMOTE and AWS_ENDPOINT_URL")
    return OutOfReachError(f"{url}: {first_line(error)}")
