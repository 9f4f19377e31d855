"""A Prefect home remembers how its server was started, and refuses another way in one sentence."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from operation.database import LOOPBACK, cluster, program
from operation.home import check_operation, check_profile, note, remember_operation
from operation.processes import database
from operation.starting import ensure_database
from pipeline_lib.errors import PipelineError

POSTGRES = "postgresql+asyncpg://garbage:sword%40fish@127.0.0.1:5433/prefect"
SHOWN = "postgresql+asyncpg://garbage@127.0.0.1:5433/prefect"
NAMES = {"database": "PREFECT_SERVER_DATABASE_CONNECTION_URL", "password": "PREFECT_SERVER_API_AUTH_STRING"}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return monkeypatch


def export(shell: pytest.MonkeyPatch, **values: str) -> None:
    for word, name in NAMES.items():
        shell.delenv(name, raising=False)
        if word in values:
            shell.setenv(name, values[word])


@pytest.mark.parametrize(
    ("at_first", "later", "words"),
    [
        (
            {"database": POSTGRES},
            {},
            "keeps its runs in postgresql+asyncpg://garbage@127.0.0.1:5433/prefect, not in prefect.db",
        ),
        (
            {},
            {"database": POSTGRES},
            "keeps its runs in prefect.db, not in postgresql+asyncpg://garbage@127.0.0.1:5433/prefect",
        ),
        ({"password": "cook:parsley"}, {}, "requires a password, and this shell has none (export PREFECT_SERVER_API_AUTH_"),
        ({"password": "cook:parsley"}, {"password": "cook:thyme"}, "refuses this password"),
        ({}, {"password": "cook:thyme"}, "has no password, and this shell has one (unset PREFECT_SERVER_API_AUTH_STRING)"),
        ({}, {"host": "0.0.0.0"}, "listens on 127.0.0.1, not on 0.0.0.0 (export GARBAGE_HOST=127.0.0.1)"),
    ],
)
def test_another_way_than_at_first_is_refused_until_the_note_is_removed(
    shell: pytest.MonkeyPatch, at_first: dict[str, str], later: dict[str, str], words: str
) -> None:
    export(shell, **at_first)
    remember_operation(check_operation("127.0.0.1"))
    check_operation("127.0.0.1")
    export(shell, **later)
    with pytest.raises(PipelineError) as refused:
        check_operation(later.get("host", "127.0.0.1"))
    assert words in str(refused.value)
    assert f"then remove {note()}" in str(refused.value)
    note().unlink()
    check_operation(later.get("host", "127.0.0.1"))


def test_the_note_holds_no_secret_and_another_database_password_is_no_difference(shell: pytest.MonkeyPatch) -> None:
    export(shell, database=POSTGRES, password="cook:parsley")
    remember_operation(check_operation("127.0.0.1"))
    assert not any(secret in note().read_text() for secret in ("fish", "parsley"))
    export(shell, database=POSTGRES.replace("sword%40fish", "trout"), password="cook:parsley")
    check_operation("127.0.0.1")


def test_a_database_address_that_cannot_be_read_is_refused_with_advice(shell: pytest.MonkeyPatch) -> None:
    export(shell, database="postgresql+asyncpg://garbage:sword/fish@127.0.0.1:port/prefect")
    with pytest.raises(PipelineError, match="percent-encode special characters of the password"):
        check_operation("127.0.0.1")


def test_without_postgresql_one_sentence_says_what_to_install() -> None:
    with pytest.raises(PipelineError, match="needs PostgreSQL, whose program no-such-program is not here: install the package"):
        program("no-such-program")


def test_a_port_that_another_program_has_taken_from_a_teams_database_is_one_sentence(shell: pytest.MonkeyPatch) -> None:
    cluster().folder.mkdir()
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        (cluster().folder / "port").write_text(str(port))
        with pytest.raises(PipelineError, match=rf"^Port {port} on .* cannot be used .* write another port into .*port$"):
            ensure_database([])
    assert not database().find()


def test_a_home_of_a_team_is_not_operated_by_make_ui_and_the_reverse(shell: pytest.MonkeyPatch) -> None:
    export(shell)
    for known, other in (("team", "ui"), ("ui", "team")):
        remember_operation(check_operation("127.0.0.1", known))
        check_profile(known)
        with pytest.raises(PipelineError, match=f"is operated by `make {known}`, not by `make {other}`"):
            check_profile(other)
        note().unlink()
        check_profile(other)
