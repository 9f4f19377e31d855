"""A model behind HTTP: answers are those of predict, whatever is sent is answered in one sentence, no photograph is kept."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from support import CommandLine, Finished, link_results
from waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def serving(line: CommandLine, *options: str) -> Iterator[str]:
    """A server in a process of its own, and its address."""
    process = line.start("serve", "--port", "0", *options)
    assert process.stderr is not None
    address = ""
    for text in process.stderr:
        if "serving on " in text:
            address = text.split()[2]
            break
    drained = threading.Thread(target=process.stderr.read)
    drained.start()
    try:
        assert address, "the server did not start"
        yield address
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) in (0, -signal.SIGINT)
    finally:
        process.kill()
        process.wait()
        drained.join()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory, finished: tuple[Path, Finished], request: pytest.FixtureRequest
) -> CommandLine:
    """The command line on the results of a run on the tiny dataset."""
    from support import command_line

    made = command_line(tmp_path_factory.mktemp("serving"), request.getfixturevalue("prefect_api"))
    link_results(finished[0], made.artifacts)
    return made


@pytest.fixture(scope="module")
def server(line: CommandLine) -> Iterator[str]:
    with serving(line) as address:
        yield address


@pytest.fixture(scope="module")
def photographs(finished: tuple[Path, Finished]) -> list[Path]:
    return sorted((finished[0].parent / "pictures" / "test").glob("*/*.png"))


def test_answers_are_those_of_predict(line: CommandLine, server: str, photographs: list[Path]) -> None:
    predicted = line("predict", "--json", *photographs)
    assert predicted.code == 0, predicted.err
    files = [("photograph", (str(path), path.read_bytes())) for path in photographs]
    answer = httpx.post(f"{server}/predict", files=files, timeout=PATIENCE)
    assert answer.status_code == 200
    rows = answer.json()["photographs"]
    assert [{**row, "sure": None} for row in rows] == [{**row, "sure": None} for row in predicted.json]
    assert all(row["sure"] == (row["probability"] >= 0.6) for row in rows)

    alone = httpx.post(f"{server}/predict", content=photographs[0].read_bytes(), timeout=PATIENCE)
    assert alone.json()["photographs"][0]["top"] == rows[0]["top"]
    ready = httpx.get(f"{server}/v2/health/ready", timeout=PATIENCE).json()
    assert ready == {"model": answer.json()["model"], "classes": ["Battery", "Cans", "Paper"]}
    counted = httpx.get(f"{server}/metrics", timeout=PATIENCE).text.splitlines()
    counts = [float(row.split()[1]) for row in counted if row.startswith("garbage_photographs_total")]
    assert sum(counts) == len(rows) + 1


def test_a_photograph_that_cannot_be_read_is_a_row_beside_the_others(server: str, photographs: list[Path]) -> None:
    bomb = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(bomb, "PNG")  # 144 megapixels in few bytes
    sent = {"whole.png": photographs[0].read_bytes(), "cut.png": photographs[0].read_bytes()[:99], "bomb.png": bomb.getvalue()}
    answer = httpx.post(f"{server}/predict", files=[("any", item) for item in sent.items()], timeout=PATIENCE)
    whole, cut, large = answer.json()["photographs"]
    assert whole["image"] == "whole.png"
    assert "class" in whole
    assert cut["error"]
    assert large == {"image": "bomb.png", "error": "144.0 megapixels, limit 50"}


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ({"content": b""}, 400, "There is no photograph in the request"),
        ({"data": {"name": "value"}, "files": {}, "headers": {"content-type": "multipart/form-data"}}, 400, "cannot be read"),
        ({"files": [("a", ("a", b""))] * 65}, 400, "The form cannot be read: Too many files"),
        ({"content": b"x" * 32_000_001}, 413, "The request has more than 32 MB"),
    ],
)
def test_a_request_without_photographs_is_refused_in_one_sentence(
    server: str, request_: dict[str, object], status: int, sentence: str
) -> None:
    answer = httpx.post(f"{server}/predict", timeout=PATIENCE, **request_)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=400),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF....WEBP", b"GIF89a"]),
)
def test_whatever_is_sent_is_answered_and_the_server_lives_on(server: str, content: bytes, start: bytes) -> None:
    answer = httpx.post(f"{server}/predict", content=start + content, timeout=PATIENCE)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert len(answer.json()["photographs"]) == 1
    assert httpx.get(f"{server}/v2/health/live", timeout=PATIENCE).text == "live"


def test_another_path_or_method_is_an_error_in_the_same_form(server: str) -> None:
    for answer in (httpx.get(f"{server}/nothing", timeout=PATIENCE), httpx.get(f"{server}/predict", timeout=PATIENCE)):
        assert answer.status_code in (404, 405)
        assert set(answer.json()) == {"error"}


def test_a_new_model_takes_over_and_no_request_fails(line: CommandLine, photographs: list[Path], tmp_path: Path) -> None:
    (link,) = line.artifacts.glob("latest/garbage-finetune/*/model")
    first = link.resolve()
    second = tmp_path / "second"
    shutil.copytree(first, second)
    manifest = (second / "manifest.json").read_text(encoding="utf-8")
    with serving(line) as address, ThreadPoolExecutor(4) as several:

        def ask(_: int) -> tuple[int, str]:
            answer = httpx.post(f"{address}/predict", content=photographs[0].read_bytes(), timeout=PATIENCE)
            return answer.status_code, answer.json()["model"]

        digest = ask(0)[1]
        (second / "manifest.json").chmod(0o644)
        (second / "manifest.json").write_text(manifest.replace(digest, "f" * 64), encoding="utf-8")
        asked = several.map(ask, range(40))
        for number in range(20):
            fresh = link.with_name("fresh")
            fresh.symlink_to(first if number % 2 else second)
            fresh.replace(link)
            assert ask(0) == (200, digest if number % 2 else "f" * 64)
        assert {status for status, _ in asked} == {200}
        empty = link.with_name("fresh")
        empty.symlink_to(tmp_path)
        empty.replace(link)
        refused = httpx.post(f"{address}/predict", content=photographs[0].read_bytes(), timeout=PATIENCE)
        assert (refused.status_code, "There is no trained head in" in refused.json()["error"]) == (503, True)
        link.unlink()
        link.symlink_to(first)
        assert ask(0) == (200, digest)


def test_a_server_with_a_token_answers_those_who_send_it(line: CommandLine, photographs: list[Path]) -> None:
    line.environment["GARBAGE_TOKEN"] = "a secret"
    try:
        with serving(line, "--host", "0.0.0.0") as address:
            address = address.replace("0.0.0.0", "127.0.0.1")
            content = photographs[0].read_bytes()
            for headers, status in (
                ({}, 401),
                ({"authorization": "Bearer wrong"}, 401),
                ({"authorization": "Bearer a secret"}, 200),
            ):
                answer = httpx.post(f"{address}/predict", content=content, headers=headers, timeout=PATIENCE)
                assert answer.status_code == status
    finally:
        del line.environment["GARBAGE_TOKEN"]


def test_what_cannot_be_served_is_refused_in_one_sentence(line: CommandLine, server: str, tmp_path: Path) -> None:
    for options, sentence in (
        (["--host", "0.0.0.0"], "set GARBAGE_TOKEN to a secret, or listen on 127.0.0.1"),
        (["--port", server.rpartition(":")[2]], "cannot be used: Address already in use; give another --port"),
        (["--model", tmp_path / "nowhere"], "There is no model at"),
        (["--dataset", "nothing"], "There is no model of the dataset nothing"),
    ):
        refused = line("serve", *options)
        assert refused.code == 1
        assert sentence in refused.err
        assert "Traceback" not in refused.err


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_shows_what_was_chosen_and_what_the_model_says(
    line: CommandLine, server: str, photographs: list[Path], tmp_path: Path
) -> None:
    predicted = line("predict", "--json", photographs[0]).json[0]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            tab = browser.new_page(viewport={"width": 390, "height": 844})
            failures: list[str] = []
            tab.on("pageerror", lambda error: failures.append(str(error)))
            tab.goto(server)
            tab.set_input_files("#files", photographs[0])
            expect(tab.locator("article h2")).to_have_text(predicted["class"], timeout=1000 * PATIENCE)
            expect(tab.get_by_role("status")).to_contain_text(predicted["class"])
            assert tab.locator("article tr").count() == 3
            tab.set_input_files("#files", [str(broken)])
            expect(tab.locator("article h2").first).to_have_text("This cannot be read", timeout=1000 * PATIENCE)
            wide = tab.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390
            assert failures == []
        finally:
            browser.close()
