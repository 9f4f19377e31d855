"""One file from an address to a path: resumed, limited in size, verified, and never visible before it is complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import stamina
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline_lib.errors import DiskFullError, OutOfReachError, PipelineError, writing_into
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.progress import Progress, ignore_progress

T = TypeVar("T")

"""Called with the bytes on disk so far and the total, None if the server does not state it."""

ATTEMPTS = 6
"""Number of tries. With waits of 0.5, 1, 2, 4 and 8 s they outlast the restart of a server."""

FEW_ATTEMPTS = 3
"""Number of tries if there is an alternative: another address, an earlier download."""

MAX_WAIT = 60.0
"""Maximum seconds that a server's Retry-After is respected."""

# A body may pause for 30 s; a connection, or the answer to a HEAD request, may take 10 s.
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_TIMEOUT_OF_QUESTION = httpx.Timeout(10.0)
# A body that is encoded for the transfer has another length than the file and cannot be resumed.
_UNENCODED = {"Accept-Encoding": "identity"}


class Validators(BaseModel):
    """What a server says about the version of the content behind an address (RFC 9110, section 8.8).

    Attributes:
        url: The address that was asked, before redirects.
        etag: The ETag header.
        last_modified: The Last-Modified header.
        length: Size of the whole content in bytes.
        sha256: Digest in hex of the content that these validators came with; None as long as it is not complete.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str]) -> Validators:
        """Read the validators from a response's headers, which must be case-insensitive as httpx's are."""
        return cls(url=url, etag=headers.get("ETag"), last_modified=headers.get("Last-Modified"), length=_total(headers))

    @property
    def condition(self) -> str | None:
        """The value for If-Range: a strong ETag, else the date; None when a resumed transfer could mix two versions."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.last_modified

    def contradicts(self, other: Validators) -> bool:
        """Whether both state the same validator and differ in it."""
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified), (self.length, other.length))
        return any(mine is not None and theirs is not None and mine != theirs for mine, theirs in pairs)


def download(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    sha256: str | None = None,
    progress: Progress = ignore_progress,
    attempts: int = ATTEMPTS,
    instead: str = "get the file from another place",
) -> str:
    """Download the content of an address to ``target`` and return its sha256 in hex.

    Bytes go to ``<target>.part`` first; a later call goes on from there as long as the server still has the same
    version. ``target`` appears complete or not at all, and what the server said about it is kept beside it (see
    `validators_of`). Network failures, 408, 429 and 5xx are tried again with growing waits; other answers are not.

    Args:
        url: http or https address; redirects are followed.
        target: Where the file goes; its folder is made.
        max_bytes: Most bytes that are accepted, whether announced or really sent.
        sha256: Digest that the content must have, in hex, or as much of its beginning as is known.
        progress: Called after every piece that arrives.
        attempts: Tries in all, at least 1.
        instead: What else the user can do, as the end of a sentence.

    Raises:
        DiskFullError: There is no room for it. What had arrived is removed.
        OutOfReachError: The address cannot be reached or refuses.
        PipelineError: It sends too much or the wrong content, or its file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with writing_into(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(target):
                _fetch_with_retries(url, part, max_bytes, progress, attempts, instead)
                digest = _verified(url, part, sha256 or "", instead)
                _publish(part, target, digest)
    except DiskFullError:
        _discard(part)
        raise
    except OSError as error:
        raise PipelineError(f"{target} cannot be written: {error.strerror or error}; correct that and run again.") from error
    return digest


def ask(url: str) -> Validators:
    """Return what a server says about the content behind an address, without downloading it.

    Raises:
        OutOfReachError: The address cannot be reached or refuses.
    """
    try:
        with _client(_TIMEOUT_OF_QUESTION) as client:
            for attempt in _tries(FEW_ATTEMPTS):
                with attempt:
                    response = client.head(url, headers=_UNENCODED).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OutOfReachError(f"{url}: {_plain_reason(error)}") from error
    return Validators.of(url, response.headers)


def first_of(sources: Iterable[Callable[[], T]]) -> T:
    """Return the result of the first source that does not fail.

    Raises:
        DiskFullError: There is no room, which no other source would change.
        OutOfReachError: All failed; the message is what each one said.
    """
    failures = []
    for source in sources:
        try:
            return source()
        except DiskFullError:
            raise
        except PipelineError as error:
            failures.append(str(error).rstrip("."))
    raise OutOfReachError("; ".join(failures))


def locked(path: Path) -> FileLock:
    """Return a lock, held within ``with``, among all processes that write ``path``."""
    return FileLock(path.with_name(f"{path.name}.lock"))


def validators_of(path: Path) -> Validators | None:
    """Return what the server said about a downloaded file; None for a file from elsewhere or one that was changed since."""
    known = _read_record(path)
    return known if known and path.is_file() and known.sha256 == file_sha256(path) else None


def _plain_reason(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Return in a few words why a request failed."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code} {error.response.reason_phrase}".rstrip()
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__


def worth_retrying(error: Exception) -> bool | float:
    """Return to stamina whether to try again: False, True, or the seconds that the server asks to wait."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        wait = error.response.headers.get("Retry-After", "")
        if status not in (408, 429) and status < 500:
            return False
        return min(float(wait), MAX_WAIT) if wait.isdecimal() else True
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


class _OtherVersion(httpx.TransportError):
    """The bytes on disk are not the beginning of what the server has now: they were discarded, and the next try starts over."""


def _client(timeout: httpx.Timeout) -> httpx.Client:
    return httpx.Client(follow_redirects=True, timeout=timeout)


def _tries(attempts: int) -> Iterable[stamina.Attempt]:
    """Yield the tries of a request, with growing waits between them: the only retry policy towards servers."""
    return stamina.retry_context(on=worth_retrying, attempts=attempts, timeout=None, wait_initial=0.5, wait_max=MAX_WAIT)


def _fetch_with_retries(url: str, part: Path, max_bytes: int, progress: Progress, attempts: int, instead: str) -> None:
    try:
        with _client(_TIMEOUT) as client:
            for attempt in _tries(attempts):
                with attempt:
                    _fetch(client, url, part, max_bytes, progress)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        kept = "; what has arrived is kept, and the next run goes on from there" if part.exists() else ""
        raise OutOfReachError(
            f"{url} cannot be downloaded: {_plain_reason(error)}{kept}; check the address and the network, or {instead}."
        ) from error


def _verified(url: str, part: Path, wanted: str, instead: str) -> str:
    """Return the digest of the received file; refuse it if it does not begin with the expected one."""
    digest = file_sha256(part)
    if not digest.startswith(wanted.lower()):
        _discard(part)
        wanted = wanted if len(wanted) == len(digest) else f"one starting with {wanted}"
        raise PipelineError(
            f"{url} sent a file with the sha256 {digest} instead of {wanted}, so it was refused; run again, or {instead}."
        )
    return digest


def _fetch(client: httpx.Client, url: str, part: Path, max_bytes: int, progress: Progress) -> None:
    """Download the rest of the content, or all of it, into ``part``."""
    with client.stream("GET", url, headers=_UNENCODED | _resume_headers(url, part)) as response:
        if response.status_code == 416:  # range not satisfiable
            _start_over(part, response, "the content became shorter")
        response.raise_for_status()
        validators = Validators.of(url, response.headers)
        if response.status_code == 206:
            _check_continues(part, response, validators)
        else:
            _discard(part)
            _write_record(part, validators)
        _append(response, part, validators.length, max_bytes, progress)


def _resume_headers(url: str, part: Path) -> dict[str, str]:
    known = _read_record(part)
    size = _size(part)
    if size == 0 or known is None or known.url != url or known.condition is None:
        return {}
    return {"Range": f"bytes={size}-", "If-Range": known.condition}


def _check_continues(part: Path, response: httpx.Response, validators: Validators) -> None:
    """Some servers honour Range and ignore If-Range: compare their validators with the recorded ones."""
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    known = _read_record(part)
    if not start or int(start[1]) != _size(part) or known is None or known.contradicts(validators):
        _start_over(part, response, "the content changed while it was downloaded")


def _start_over(part: Path, response: httpx.Response, reason: str) -> None:
    _discard(part)
    raise _OtherVersion(reason, request=response.request)


def _append(response: httpx.Response, part: Path, total: int | None, max_bytes: int, progress: Progress) -> None:
    _check_bound(part, response.url, total or 0, max_bytes)
    with part.open("ab") as stream:
        size = stream.tell()
        for piece in response.iter_raw():
            size += len(piece)
            _check_bound(part, response.url, size, max_bytes)
            stream.write(piece)
            progress(size, total, "bytes")
    if total is not None and size != total:
        raise httpx.RemoteProtocolError(f"{size} of {total} bytes arrived", request=response.request)


def _check_bound(part: Path, url: httpx.URL, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        _discard(part)
        raise PipelineError(
            f"{url} is larger than the {max_bytes / 1e6:g} MB that are allowed; if that is expected, raise the limit "
            "(data.max_download_mb for a dataset)."
        )


def _total(headers: Mapping[str, str]) -> int | None:
    """The size of the whole content: after the slash of Content-Range in a partial answer, else Content-Length."""
    ranged = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    if ranged:
        return int(ranged[1])
    length = headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and "Content-Range" not in headers else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_record(path: Path) -> Validators | None:
    """A missing or truncated record is ignored: the transfer starts over."""
    try:
        return Validators.model_validate_json(_record(path).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write_record(path: Path, validators: Validators) -> None:
    _record(path).write_text(validators.model_dump_json(), encoding="utf-8")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _record(part).unlink(missing_ok=True)


def _publish(part: Path, target: Path, sha256: str) -> None:
    """Rename the finished file. A kill on the way leaves a file without a record, never one with a wrong record."""
    validators = _read_record(part)
    if validators is not None:
        _write_record(part, validators.model_copy(update={"sha256": sha256}))
    _record(target).unlink(missing_ok=True)
    part.replace(target)
    if validators is not None:
        _record(part).replace(_record(target))
    _record(part).unlink(missing_ok=True)
