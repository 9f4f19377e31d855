"""Photographs per second of `garbage serve` at 1, 8 and 64 clients, beside the same work without a server; prints Markdown.

    .venv/bin/python benchmarks/serving.py --model artifacts/latest/garbage-finetune/pictures/model --photographs DIR

All contenders take turns. A client sends one photograph at a time over a connection that stays open, from this process, on
the same cores. With --peer the same clients ask a plain FastAPI and PyTorch server too (peers/torch_server.py), which is
installed into .venv-peers the first time. Takes --repetitions times --seconds for each of six rows, with the peer nine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import onnxruntime
from machine import machine
from places import PEERS, PROJECT, Places, install_peers

from pipeline_lib.data.imagefolder import files_below
from pipeline_lib.export.graph import backbone_graph, whole_graph
from pipeline_lib.export.source import Source, read_source
from pipeline_lib.images.read import read_image
from pipeline_lib.prediction.predict import predict_files
from pipeline_lib.serving.uploads import Upload

CORES = os.cpu_count() or 1
CLIENTS = (1, 8, 64)
TARGET = 0.85
MOST = 200

Work = Callable[[bytes], object]


class Timed(NamedTuple):
    """What workers have done: photographs per second, and the seconds that each photograph took."""

    rate: float
    each: list[float]


def main() -> None:
    """Read the arguments, measure in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    parser.add_argument("--photographs", type=Path, required=True, help=f"folder; the first {MOST} files are sent in turn")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="ask a server on FastAPI and PyTorch too")
    options = parser.parse_args()
    photographs = [path.read_bytes() for path in files_below(options.photographs)[:MOST]]
    source = read_source(options.model, "")
    rows: dict[str, list[Timed]] = {}
    with serving(options.model) as address, peer() if options.peer else nullcontext() as other:
        contenders = {"network": (network(source), CORES), "graph": (graph(source), CORES), "model": (model(source), CORES)}
        workers = clients("served", address) | (clients("FastAPI and PyTorch", other) if other else {})
        for _ in range(options.repetitions):
            for name, (work, callers) in contenders.items():
                rows.setdefault(name, []).append(timed([work] * callers, photographs, options.seconds))
            for name, (connect, callers) in workers.items():
                rows.setdefault(name, []).append(timed([connect() for _ in range(callers)], photographs, options.seconds))
    print("\n".join(table(rows)))


def clients(name: str, address: str) -> dict[str, tuple[Callable[[], Work], int]]:
    """Return what opens a connection to a server, and how many of them ask at once, by the name of the row."""
    return {f"{name}, {count} client{'s' * (count > 1)}": (partial(asking, address), count) for count in CLIENTS}


def timed(workers: Sequence[Work], photographs: Sequence[bytes], seconds: float) -> Timed:
    """Let workers take photographs in turn for some seconds, and finish what they have begun."""
    taken: list[list[float]] = [[] for _ in workers]
    begun = time.perf_counter()
    until = begun + seconds

    def run(number: int) -> None:
        for photograph in itertools.islice(itertools.cycle(photographs), number, None):
            started = time.perf_counter()
            if started >= until:
                return
            workers[number](photograph)
            taken[number].append(time.perf_counter() - started)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(run, range(len(workers))))
    elapsed, each = time.perf_counter() - begun, [each for own in taken for each in own]
    return Timed(len(each) / elapsed, each)


def session(content: str | bytes) -> onnxruntime.InferenceSession:
    """Return a session of one thread."""
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, threads, providers=["CPUExecutionProvider"])


def network(source: Source) -> Work:
    """The backbone alone on an image that is prepared."""
    runs = session(backbone_graph(source).SerializeToString())
    size = source.spec.image_size
    image = {runs.get_inputs()[0].name: np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)}
    return lambda photograph: runs.run(None, image)


def graph(source: Source) -> Work:
    """The exported file, from the photograph's bytes on."""
    runs = session(whole_graph(source, backbone_graph(source)).SerializeToString())
    return lambda photograph: runs.run(None, {"images": np.asarray(read_image(Upload("", photograph)))[None]})


def model(source: Source) -> Work:
    """What the server does with a photograph, without a server."""
    return lambda photograph: predict_files([Upload("", photograph)], source.model, 5)


def asking(address: str) -> Work:
    """A client with a connection of its own."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)

    def ask(photograph: bytes) -> None:
        connection.request("POST", "/predict", photograph)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"the server answered {answer.status}: {body.decode()}")

    return ask


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Start ``garbage serve`` in a process of its own and yield its address."""
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--model", str(folder)]
        environment = Places(Path(work), "").environment()
        server = subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            yield next(line.split()[2] for line in server.stderr or () if "serving on " in line)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


@contextmanager
def peer() -> Iterator[str]:
    """Start the server on FastAPI and PyTorch, one thread for each photograph, and yield its address."""
    install_peers()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(PEERS), str(PROJECT / "benchmarks" / "peers" / "torch_server.py"), "--port", str(port), "--threads", "1"]
    server = subprocess.Popen(command)
    try:
        while not answers(port):
            if server.poll() is not None:
                raise SystemExit("the server on PyTorch did not start")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def answers(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def table(rows: dict[str, list[Timed]]) -> Iterator[str]:
    """Yield the machine, a row for each contender, and whether the target is met."""
    yield from (f"- {name}: {value}" for name, value in machine(False).items())
    yield "\n| what | photographs per second | least and most | p50 | p95 | p99 |\n|---|---|---|---|---|---|"
    rates = {name: [each.rate for each in repeated] for name, repeated in rows.items()}
    for name, repeated in rows.items():
        own = rates[name]
        points = np.percentile(np.concatenate([each.each for each in repeated]), (50, 95, 99)) * 1000
        ends = f"{min(own):.1f} to {max(own):.1f}"
        yield f"| {name} | {statistics.median(own):.1f} | {ends} | " + " | ".join(f"{point:.0f} ms" for point in points) + " |"
    best = max(statistics.median(own) for name, own in rates.items() if name.startswith("served"))
    for name in ("network", "graph", "model"):
        yield f"\nserved / {name}: {best / statistics.median(rates[name]):.2f} (target {TARGET})"


if __name__ == "__main__":
    main()
