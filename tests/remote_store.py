"""An S3 server on loopback that can go away and come back, and stores as machines of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from support import free_port
from waiting import PATIENCE

from pipeline_lib.remote.address import ADDRESS, MODE

URL = "s3://results/team"


@dataclass
class Server:
    """S3 with one bucket; what was put there outlives the server."""

    port: int = field(default_factory=free_port)
    _running: ThreadedMotoServer | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process to the server."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "NO_PROXY": "127.0.0.1",
            ADDRESS: URL,
            MODE: "readwrite",
        }

    @property
    def objects(self) -> S3Store:
        """The bucket, past all that is tested."""
        return S3Store(
            "results",
            prefix="team",
            endpoint=self.environment["AWS_ENDPOINT_URL"],
            region="us-east-1",
            access_key_id="key",
            secret_access_key="secret",
            client_options={"allow_http": True},
        )

    def names(self, folder: str | None = None) -> list[str]:
        return sorted(each["path"] for each in self.objects.list(folder).collect())

    def content(self) -> dict[str, bytes]:
        return {name: bytes(self.objects.get(name).bytes()) for name in self.names()}

    def start(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._running = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._running.start()

    def stop(self) -> None:
        if self._running:
            self._running.stop()
        self._running = None

    def corrupt(self, name: str) -> None:
        """Change the bytes of an object, and not their number."""
        before: Any = bytes(self.objects.get(name).bytes())
        self.objects.put(name, bytes(byte ^ 1 for byte in before))


@pytest.fixture
def s3() -> Iterator[Server]:
    """An S3 server with an empty bucket."""
    from moto.s3.models import s3_backends

    s3_backends.reset()
    server = Server()
    server.start()
    try:
        httpx.put(f"http://127.0.0.1:{server.port}/results", trust_env=False, timeout=PATIENCE).raise_for_status()
        yield server
    finally:
        server.stop()


@pytest.fixture
def remote(s3: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The S3 server as the remote store of this process."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3


def folder_content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
