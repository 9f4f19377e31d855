"""Photographs that were uploaded, read within limits; nothing here writes them to a disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Literal

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

MAX_FILES = 64
"""Most photographs of a request."""


@dataclass(frozen=True)
class Upload:
    """A photograph in memory, an ``ImageFile``.

    Attributes:
        name: What the sender calls it.
        content: Its bytes.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Return a stream of the bytes."""
        return BytesIO(self.content)


async def uploads_of(request: Request, max_bytes: int) -> list[Upload]:
    """Return the photographs of a request: the files of a form, or its body.

    Args:
        request: Its body has not been read.
        max_bytes: Most bytes of the body; they are counted while they arrive.

    Raises:
        HTTPException: It is too large (413), or there is no photograph in it (400).
    """
    body = await body_of(request, max_bytes)
    if not request.headers.get("content-type", "").startswith("multipart/"):
        found = [Upload("photograph", body)]
    else:
        found = await _files_of(request, body)
    if not found or not found[0].content:
        raise HTTPException(400, "There is no photograph in the request; send one as its body, or files of a form")
    return found


async def body_of(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request, which has not been read; its bytes are counted while they arrive.

    Raises:
        HTTPException: It is too large (413).
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise HTTPException(413, f"The request has more than {max_bytes / 1e6:g} MB; send fewer or smaller photographs")
        chunks.append(chunk)
    return b"".join(chunks)


async def _files_of(request: Request, body: bytes) -> list[Upload]:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    try:
        parser = MultiPartParser(request.headers, stream(), max_files=MAX_FILES, max_fields=MAX_FILES)  # type: ignore[arg-type]
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        reason = getattr(error, "message", "the form has no boundary")
        raise HTTPException(400, f"The form cannot be read: {reason}") from error
    try:
        files = [item for _, item in form.multi_items() if isinstance(item, UploadFile)]
        return [Upload(file.filename or "photograph", await file.read()) for file in files]
    finally:
        await form.close()
