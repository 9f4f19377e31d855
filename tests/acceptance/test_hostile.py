"""A server that is asked thousands of times, and sent whatever somebody may think of: it answers, and stays as it is."""

from __future__ import annotations

import io
import json
import random
import socket
import struct
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from PIL import Image
from served import serving
from support import CommandLine, Finished
from waiting import PATIENCE

UPLOADS = 1000
LONG_HEADER = "long header"
MANY, FEW = 10_000, 1_000


class Sent(NamedTuple):
    """A hostile request: what it is, where it goes, its headers, its body."""

    what: str
    path: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def pictures(finished: tuple[Path, Finished]) -> list[bytes]:
    return [path.read_bytes() for path in sorted((finished[0].parent / "pictures" / "test").glob("*/*.png"))]


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(format_: str, size: tuple[int, int], **options: Any) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, (90, 20, 20)).save(content, format_, **options)
    return content.getvalue()


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", bytes(10_000_000))
    return content.getvalue()


def hostile(pictures: list[bytes]) -> Iterator[Sent]:
    """Yield hostile requests without end, the same ones every time."""
    chance = random.Random(4)
    whole = [*pictures, *(encoded(kind, (64, 64)) for kind in ("JPEG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF"))]
    fixed = {
        "bomb of 900 megapixels": png(30_000, 30_000, zlib.compress(bytes(30_000_000))),
        "bomb of 49 megapixels cut short": png(7_000, 7_000, zlib.compress(bytes(100_000))),
        "picture of no pixels": png(0, 0),
        "size beyond 32 bits": png(2**31 - 1, 2**31 - 1),
        "wide strip": encoded("WEBP", (16_000, 3), lossless=True),
        "drawing": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file",
        "archive": archive(),
        "text": b"What is it?",
        "zeros": bytes(1_000_000),
    }
    while True:
        for what, body in fixed.items():
            yield Sent(what, "/predict", {}, body)
        for content in whole:
            yield Sent("cut short", "/predict", {}, content[: chance.randrange(len(content))])
            broken = bytearray(content)
            for _ in range(20):
                broken[chance.randrange(8, len(broken))] = chance.randrange(256)
            yield Sent("bytes changed", "/predict", {}, bytes(broken))
        yield from forms(chance)
        yield from tensors(chance)


def forms(chance: random.Random) -> Iterator[Sent]:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    yield Sent("form without a boundary", "/predict", {"content-type": "multipart/form-data"}, b"--b\r\n")
    yield Sent(
        "form that ends early", "/predict", kind, b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx'
    )
    yield Sent("form of noise", "/predict", kind, chance.randbytes(5_000))
    name = "../" * 2_000 + "etc/passwd"
    yield Sent(
        "long name",
        "/predict",
        kind,
        f'--b\r\nContent-Disposition: form-data; name="a"; filename="{name}"\r\n\r\n'.encode() + b"x\r\n--b--",
    )
    yield Sent(
        "many fields", "/predict", kind, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 5_000 + b"--b--"
    )
    yield Sent(LONG_HEADER, "/predict", {"x-long": "x" * 200_000}, b"x")
    yield Sent("encoded twice", "/predict", {"content-encoding": "gzip"}, zlib.compress(b"x"))
    yield Sent("other method", "/predict/../metrics/%00", {}, b"x")


def tensors(chance: random.Random) -> Iterator[Sent]:
    def asked(shape: Any, data: Any, type_: str = "UINT8") -> bytes:
        return json.dumps({"inputs": [{"name": "images", "shape": shape, "datatype": type_, "data": data}]}).encode()

    bodies = {
        "nested JSON": b"[" * 100_000,
        "no JSON": chance.randbytes(1_000),
        "shape without data": asked([1, 7_000, 7_000, 3], []),
        "huge shape": asked([1, 10**12, 10**12, 3], [1]),
        "negative shape": asked([1, -4, -4, 3], [1]),
        "numbers of another kind": asked([1, 1, 1, 3], [1e308, -1, "x"]),
        "whole numbers beyond all": b'{"inputs":[{"name":"images","shape":[1,1,1,3],"datatype":"UINT8","data":['
        + b"9" * 5_000
        + b",1,1]}]}",
        "data nested deeply": asked([1, 1, 1, 3], json.loads("[" * 50 + "]" * 50)),
        "no base64": asked([1], ["%%%"], "BYTES"),
        "base64 of nothing": asked([1], [""], "BYTES"),
        "many pictures": asked([64, 1, 1, 3], [0] * 3),
    }
    for what, body in bodies.items():
        yield Sent(what, "/v2/models/pictures/infer", {"content-type": "application/json"}, body)


def test_a_thousand_hostile_uploads_are_each_answered_in_one_sentence(
    garbage: CommandLine, first: Finished, pictures: list[bytes], record: Callable[[Any], None]
) -> None:
    requests = [sent for sent, _ in zip(hostile(pictures), range(UPLOADS), strict=False)]
    with serving(garbage) as address, httpx.Client(base_url=address, timeout=PATIENCE) as client:

        def send(sent: Sent) -> tuple[str, int, float]:
            started = time.perf_counter()
            try:
                answer = client.post(sent.path, content=sent.body, headers=sent.headers)
            except httpx.NetworkError:
                assert sent.what == LONG_HEADER, sent.what  # the server hangs up before it has read all of it
                return sent.what, 0, time.perf_counter() - started
            seconds = time.perf_counter() - started
            assert answer.status_code in (200, 400, 404, 405, 413, 431), (sent.what, answer.status_code, answer.text)
            if answer.headers["content-type"] == "application/json":
                said = answer.json()
                for row in said.get("photographs", [said]):
                    sentence = row.get("error", "")
                    assert "\n" not in sentence
                    assert "Traceback" not in sentence
                    assert len(sentence) < 300, (sent.what, sentence)
            return sent.what, answer.status_code, seconds

        with ThreadPoolExecutor(8) as several:
            answers = list(several.map(send, requests))
        unfinished = [stalled(address) for _ in range(20)]
        alive = client.post("/predict", content=pictures[0])
        assert "class" in alive.json()["photographs"][0]
        for each in unfinished:
            each.close()
    slowest = max(answers, key=lambda answer: answer[2])
    record({"uploads": len(answers), "statuses": Counter(status for _, status, _ in answers), "slowest": slowest})


def stalled(address: str) -> socket.socket:
    """A connection whose sender never finishes."""
    url = httpx.URL(address)
    assert url.port is not None
    connection = socket.create_connection((url.host, url.port), PATIENCE)
    connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
    return connection


def test_memory_after_ten_thousand_requests_is_that_after_one_thousand(
    garbage: CommandLine, first: Finished, pictures: list[bytes], record: Callable[[Any], None]
) -> None:
    with serving(garbage) as address:
        url = httpx.URL(address)
        (server,) = [
            process
            for process in psutil.process_iter()
            if any(connection.laddr.port == url.port for connection in connections(process) if connection.status == "LISTEN")
        ]

        def ask(count: int) -> None:
            connection = HTTPConnection(url.host, url.port, timeout=PATIENCE)
            for number in range(count):
                connection.request("POST", "/predict", pictures[number % len(pictures)])
                assert connection.getresponse().read().startswith(b'{"model"')
            connection.close()

        def memory_after(count: int) -> int:
            with ThreadPoolExecutor(4) as several:
                list(several.map(ask, [count // 4] * 4))
            return int(server.memory_info().rss)

        after_few = memory_after(FEW)
        after_many = memory_after(MANY - FEW)
    record({"MB after 1,000": after_few / 1e6, "MB after 10,000": after_many / 1e6})
    assert after_many <= 1.05 * after_few


def connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections())
    except psutil.Error:
        return []
