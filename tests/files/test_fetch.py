"""A download is complete, of one version and of bounded size, or it is not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Site

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.fetch import ATTEMPTS, MAX_WAIT, download, validators_of, worth_retrying

CONTENT = bytes(range(256)) * 40


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "data.zip"


def fetch(site: Site, target: Path, **options: object) -> str:
    return download(site.url, target, **{"max_bytes": 1_000_000, **options})  # type: ignore[arg-type]


def left_over(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.glob("*.part*"))


def test_downloads_the_content_and_returns_its_digest(site: Site, target: Path) -> None:
    site.content = CONTENT
    seen: list[tuple[int, int | None]] = []
    assert fetch(site, target, progress=lambda done, total, _: seen.append((done, total))) == digest(CONTENT)
    assert target.read_bytes() == CONTENT
    assert left_over(target) == []
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_an_empty_file_is_a_file(site: Site, target: Path) -> None:
    fetch(site, target)
    assert target.read_bytes() == b""


def test_follows_redirects(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.status(302, Location=f"{site.url}?moved")]
    assert fetch(site, target) == digest(CONTENT)


def test_goes_on_where_the_connection_was_cut(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(1000)]
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range") == [None, "bytes=1000-"]
    assert site.asked("If-Range") == [None, '"v1"']


def test_goes_on_in_a_later_run(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(1000)] + [Site.status(503)] * (ATTEMPTS - 1)
    with pytest.raises(PipelineError, match=r"503.*what has arrived is kept"):
        fetch(site, target)
    assert not target.exists()
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range")[-1] == "bytes=1000-"


def test_a_date_serves_where_there_is_no_etag(site: Site, target: Path) -> None:
    site.content, site.headers = CONTENT, {"Last-Modified": "Sun, 27 Jun 2021 15:02:00 GMT"}
    site.faults = [Site.cut(1000)]
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("If-Range") == [None, "Sun, 27 Jun 2021 15:02:00 GMT"]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}])
def test_starts_over_where_versions_cannot_be_told_apart(site: Site, target: Path, headers: dict[str, str]) -> None:
    site.content, site.headers = CONTENT, headers
    site.faults = [Site.cut(1000)]
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range") == [None, None]


def test_starts_over_for_another_address(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(1000)] * ATTEMPTS
    with pytest.raises(PipelineError):
        fetch(site, target)
    site.url += "?mirror"
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range")[-1] is None


@pytest.mark.parametrize("honours_range", [True, False])
@pytest.mark.parametrize("honours_if_range", [True, False])
@pytest.mark.parametrize("length", [500, 1000, 20_000])
def test_never_mixes_two_versions(site: Site, target: Path, honours_range: bool, honours_if_range: bool, length: int) -> None:
    site.content, site.honours_range, site.honours_if_range = CONTENT, honours_range, honours_if_range
    site.faults = [Site.cut(1000), Site.status(404)]
    with pytest.raises(PipelineError):
        fetch(site, target)
    site.content, site.headers = bytes(length), {"ETag": '"v2"'}
    assert fetch(site, target) == digest(bytes(length))
    known = validators_of(target)
    assert known and (known.etag, known.length) == ('"v2"', length)


def test_a_record_cut_off_by_a_kill_starts_over(site: Site, target: Path) -> None:
    site.content = CONTENT
    target.parent.mkdir()
    target.with_name("data.zip.part").write_bytes(b"old bytes")
    target.with_name("data.zip.part.json").write_text('{"url": "http')
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range") == [None]


def test_asks_on_when_the_server_sends_less_than_the_rest(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(1000), Site.portion(500)]
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range") == [None, "bytes=1000-", "bytes=1500-"]


def test_starts_over_when_the_server_sends_another_range(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(1000), Site.from_start()]
    assert fetch(site, target) == digest(CONTENT)
    assert site.asked("Range") == [None, "bytes=1000-", None]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_tries_again_when_the_server_is_unwell(site: Site, target: Path, status: int) -> None:
    site.content = CONTENT
    site.faults = [Site.status(status)] * 2
    assert fetch(site, target) == digest(CONTENT)
    assert len(site.requests) == 3


def test_gives_up_after_the_stated_number_of_tries(site: Site, target: Path) -> None:
    site.faults = [Site.status(503)] * 100
    with pytest.raises(PipelineError, match=r"503 Service Unavailable"):
        fetch(site, target)
    assert len(site.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(site: Site, target: Path, status: int) -> None:
    site.faults = [Site.status(status)]
    with pytest.raises(PipelineError, match=str(status)):
        fetch(site, target)
    assert len(site.requests) == 1


def test_waits_as_long_as_the_server_asks_within_reason() -> None:
    def wait(status: int, asked: str) -> bool | float:
        request = httpx.Request("GET", "http://127.0.0.1")
        response = httpx.Response(status, headers={"Retry-After": asked}, request=request)
        return worth_retrying(httpx.HTTPStatusError("", request=request, response=response))

    assert wait(503, "7") == 7
    assert wait(429, "100000") == MAX_WAIT
    assert wait(503, "Sun, 27 Jun 2021 15:02:00 GMT") is True
    assert wait(404, "7") is False


def test_what_cannot_get_better_is_not_tried_again() -> None:
    assert worth_retrying(httpx.ConnectError("refused")) is True
    assert worth_retrying(httpx.UnsupportedProtocol("ftp")) is False
    assert worth_retrying(PipelineError("too large")) is False


@pytest.mark.parametrize("states_length", [True, False])
def test_never_takes_more_than_allowed(site: Site, target: Path, states_length: bool) -> None:
    site.content, site.states_length = CONTENT * 30, states_length
    arrived: list[int] = []
    with pytest.raises(PipelineError, match=r"larger than the 0\.2 MB"):
        fetch(site, target, max_bytes=200_000, progress=lambda done, *_: arrived.append(done))
    assert max(arrived, default=0) <= (0 if states_length else 200_000)
    assert left_over(target) == []
    assert len(site.requests) == 1
    assert fetch(site, target, max_bytes=len(site.content)) == digest(site.content)


def test_a_body_shorter_than_announced_is_an_error(site: Site, target: Path) -> None:
    site.content = CONTENT
    site.faults = [Site.cut(0)] * ATTEMPTS
    with pytest.raises(PipelineError, match="cannot be downloaded"):
        fetch(site, target)
    assert not target.exists()


def test_the_wrong_content_is_removed_and_the_old_file_stays(site: Site, target: Path) -> None:
    site.content = CONTENT
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(PipelineError, match=f"sha256 {digest(CONTENT)} instead of {'0' * 64}"):
        fetch(site, target, sha256="0" * 64)
    assert target.read_bytes() == b"old"
    assert left_over(target) == []
    fetch(site, target, sha256=digest(CONTENT).upper())
    assert target.read_bytes() == CONTENT


def test_says_what_the_server_said_as_long_as_the_file_is_that_file(site: Site, target: Path) -> None:
    site.content = CONTENT
    fetch(site, target)
    known = validators_of(target)
    assert known and (known.url, known.etag, known.length) == (site.url, '"v1"', len(CONTENT))
    target.write_bytes(b"x" * len(CONTENT))
    assert validators_of(target) is None
    target.unlink()
    assert validators_of(target) is None


@pytest.mark.parametrize(
    "url", ["", "data.zip", "ftp://127.0.0.1/data.zip", "http://", "http://[", "http://127.0.0.1:1/data.zip"]
)
def test_an_address_that_leads_nowhere_is_reported(target: Path, url: str) -> None:
    with pytest.raises(PipelineError, match="cannot be downloaded"):
        download(url, target, max_bytes=100)


def test_a_folder_that_cannot_be_made_is_reported(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="cannot be written"):
        fetch(site, tmp_path / "file" / "data.zip")


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 120), max_size=ATTEMPTS - 1))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_number_of_cuts_gives_the_same_bytes(site: Site, tmp_path: Path, content: bytes, cuts: list[int]) -> None:
    site.content = content
    site.faults = [Site.cut(after) for after in cuts]
    target = tmp_path / "data.zip"
    assert fetch(site, target) == digest(content) == file_sha256(target)
    site.faults.clear()
