"""A server of one's own: PostgreSQL as its database, and a password."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from operated import Operated, operating
from support import free_port
from waiting import PATIENCE


def programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; Debian keeps them out of the PATH."""
    found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    return Path(found).parent if found else None


PROGRAMS = programs()


def unprivileged() -> str | None:
    """Whom PostgreSQL runs as: it refuses root."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a database server on loopback with its data below ``folder``, and return its address for Prefect."""
    assert PROGRAMS
    user, port, data = unprivileged(), free_port(), folder / "data"
    if user:
        shutil.chown(folder, user)
    password = folder / "password"
    password.write_text("swordfish")
    password.chmod(0o644)

    def call(program: str, *arguments: str) -> None:
        with (folder / f"{program}.log").open("ab") as log:
            subprocess.run(
                [PROGRAMS / program, *arguments], user=user, cwd=folder, stdout=log, stderr=log, check=True, timeout=PATIENCE
            )

    call("initdb", "-D", str(data), "-U", "garbage", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call("pg_ctl", "-D", str(data), "-w", "-t", str(PATIENCE), "-l", str(folder / "postgres.log"), "-o", options, "start")
    try:
        yield f"postgresql+asyncpg://garbage:swordfish@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", str(data), "-w", "-t", str(PATIENCE), "-m", "immediate", "stop")


async def count_of_runs(address: str) -> int:
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval("select count(*) from flow_run where state_name = 'Completed'"))
    finally:
        await connection.close()


FORGOTTEN = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "", "PREFECT_SERVER_API_AUTH_STRING": ""}


def refusal(operated: Operated, *command: str, **environment: str) -> str:
    """The one sentence with which a command is refused."""
    ended = operated.command(*command, **environment)
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    assert "swordfish" not in sentence
    assert "parsley" not in sentence
    return sentence


def check_what_is_refused(operated: Operated) -> None:
    """Another database, no password, a wrong one: each in its own words, by `make ui` and by `make deploy`."""
    forgotten = refusal(operated, "operation.ui", "up", **FORGOTTEN)
    assert "keeps its runs in postgresql+asyncpg://garbage@127.0.0.1:" in forgotten
    assert "requires a password, and this shell has none" in forgotten
    assert "refuses this password" in refusal(operated, "operation.ui", "up", PREFECT_SERVER_API_AUTH_STRING="cook:thyme")

    api = {"PREFECT_API_URL": operated.address}
    wanted = f"error {operated.address} requires a password: export PREFECT_API_AUTH_STRING=user:password"
    assert refusal(operated, "operation.deploy", **api) == wanted
    refused = f"error {operated.address} refuses this password: export PREFECT_API_AUTH_STRING=user:password"
    assert refusal(operated, "operation.deploy", **api, PREFECT_API_AUTH_STRING="cook:thyme") == refused

    (operated.home / "operation.json").rename(operated.home / "kept")  # as in a home of an earlier release
    assert refusal(operated, "operation.ui", "up", **FORGOTTEN) == wanted
    (operated.home / "kept").rename(operated.home / "operation.json")


@pytest.mark.acceptance
@pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed")
def test_the_deployment_runs_on_postgresql_behind_a_password(tmp_path: Path, pictures: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, postgres(Path(scratch)) as database:
        settings = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database, "PREFECT_SERVER_API_AUTH_STRING": "cook:parsley"}
        with operating(tmp_path, **settings) as operated:
            assert httpx.post(f"{operated.address}/flow_runs/count", json={}, timeout=PATIENCE).status_code == 401
            assert operated.ends(operated.ask(pictures))["state_name"] == "Completed"

            check_what_is_refused(operated)
            forgetful = operated.command("operation.ui", "down", **FORGOTTEN)
            assert forgetful.stdout == "watchman stopped\nworker stopped\nserver stopped\n"
            assert "keeps its runs in postgresql" in refusal(operated, "operation.ui", "up", **FORGOTTEN)
        assert asyncio.run(count_of_runs(database)) == 1
    assert not (operated.home / "prefect.db").exists()
