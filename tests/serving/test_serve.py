"""A model behind HTTP: answers are those of predict, whatever is sent is answered in one sentence, no photograph is kept."""

from __future__ import annotations

import io
import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from served import serving
from support import CommandLine
from waiting import PATIENCE, eventually

from pipeline_lib.data.chinese import BINS, chinese
from pipeline_lib.serving.app import Limits

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def photographs_counted(server: str) -> float:
    """The photographs that a server has answered so far."""
    counted = httpx.get(f"{server}/metrics", timeout=PATIENCE).text.splitlines()
    return sum(float(row.split()[1]) for row in counted if row.startswith("garbage_photographs_total"))


def test_answers_are_those_of_predict(line: CommandLine, server: str, photographs: list[Path]) -> None:
    before = photographs_counted(server)
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
    assert photographs_counted(server) - before == len(rows) + 1


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


def test_more_requests_than_can_wait_are_refused_and_hear_when_to_come_back(server: str, photographs: list[Path]) -> None:
    """A request whose body is still being sent takes its place: the places are filled with such requests."""
    content, url = photographs[0].read_bytes(), httpx.URL(server)
    head = f"POST /predict HTTP/1.1\r\nHost: {url.host}\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    assert url.port is not None

    def ask() -> httpx.Response:
        return httpx.post(f"{server}/predict", content=content, timeout=PATIENCE)

    with ExitStack() as stack:
        places = (os.cpu_count() or 1) + Limits().waiting
        waiting = [stack.enter_context(socket.create_connection((url.host, url.port), PATIENCE)) for _ in range(places)]
        for each in waiting:
            each.sendall(head.encode() + content[:10])
        refused = eventually(ask, lambda answer: answer.status_code == 503)
        assert refused.headers["retry-after"] == "1"
        assert "Too many requests are waiting" in refused.json()["error"]
        assert httpx.get(f"{server}/v2/health/live", timeout=PATIENCE).text == "live"
        for each in waiting:
            each.sendall(content[10:])
        answered = [b"".join(iter(partial(each.recv, 65536), b"")) for each in waiting]
        assert {answer.split(b"\r\n")[0] for answer in answered} == {b"HTTP/1.1 200 OK"}
    assert ask().status_code == 200


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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_speaks_chinese_and_remembers_it(line: CommandLine, server: str, photographs: list[Path]) -> None:
    predicted = line("predict", "--json", photographs[0]).json[0]
    name, bin_ = chinese(predicted["class"]), BINS[predicted["bin"]]
    assert name
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            tab = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-GB")
            tab.goto(server)
            expect(tab.locator("#kept")).to_have_text("Nothing that you show here is kept.", timeout=1000 * PATIENCE)
            tab.set_input_files("#files", photographs[0])
            expect(tab.locator("article h2")).to_have_text(predicted["class"], timeout=1000 * PATIENCE)
            tab.get_by_role("button", name="中文").click()
            expect(tab.locator("article h2")).to_have_text(name)
            expect(tab.locator("article .bin")).to_have_text(bin_)
            expect(tab.get_by_role("status")).to_contain_text(name)
            expect(tab.locator("#kept")).to_have_text("您上传的照片不会被保存。")
            tab.reload()
            expect(tab.locator("h1")).to_have_text("这是什么垃圾？")
            assert tab.locator("html").get_attribute("lang") == "zh-Hans"
            tab.get_by_role("button", name="EN").click()
            expect(tab.locator("h1")).to_have_text("What is it?")
        finally:
            browser.close()
