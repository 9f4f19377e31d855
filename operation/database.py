"""A PostgreSQL server of the project's own, for the Prefect server of ``make team``: on loopback, with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from operation.home import DATABASE, home
from pipeline_lib.errors import PipelineError

LOOPBACK = "127.0.0.1"
PORTS = range(5440, 5540)
USER = "garbage"


class Cluster(NamedTuple):
    """The files of the database server, in a folder beside the Prefect home: where root starts it, another user owns them.

    Attributes:
        folder: Holds ``data``, the ``port`` and the ``password``.
    """

    folder: Path

    @property
    def data(self) -> Path:
        """The folder of the data; it is there once it is whole."""
        return self.folder / "data"

    @property
    def port(self) -> str:
        """The port, chosen when the data was made."""
        return (self.folder / "port").read_text(encoding="utf-8")

    @property
    def address(self) -> str:
        """The address of the database, with its password, for Prefect."""
        password = (self.folder / "password").read_text(encoding="utf-8")
        return f"postgresql+asyncpg://{USER}:{password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def command(self) -> list[str]:
        """The program that serves it."""
        options = (f"listen_addresses={LOOPBACK}", "unix_socket_directories=")
        return [
            program("postgres"),
            "-D",
            str(self.data),
            "-p",
            self.port,
            *(part for each in options for part in ("-c", each)),
        ]

    def answers(self) -> bool:
        """Return whether the server takes connections."""
        asked = [program("pg_isready"), "--quiet", "--host", LOOPBACK, "--port", self.port]
        return subprocess.run(asked, check=False).returncode == 0  # noqa: S603  # no shell


def cluster() -> Cluster:
    """Return where the files of the database server are."""
    return Cluster(home().with_name(f"{home().name}-database"))


def prepare() -> Cluster:
    """Make the files of the database server unless they are there.

    Raises:
        PipelineError: PostgreSQL is not installed, or cannot make them.
    """
    made = cluster()
    owner = identity()
    if not made.data.is_dir():
        made.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in (("password", secrets.token_hex(16)), ("port", str(_free_port()))):
            (made.folder / name).touch(mode=0o600)
            (made.folder / name).write_text(content, encoding="utf-8")
        for path in (made.folder, made.folder / "password"):
            if owner:
                os.chown(path, owner["user"], owner["group"])
        _initialise(made, owner)
    return made


def identity() -> dict[str, Any]:
    """Return whom PostgreSQL runs as, for ``subprocess``: it refuses root, who hands it to the user of its package.

    Raises:
        PipelineError: This is root, and there is no such user.
    """
    if os.geteuid():
        return {}
    with suppress(KeyError):
        entry = pwd.getpwnam("postgres")
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}
    raise PipelineError("PostgreSQL does not run as root, and there is no user postgres: run `make team` as another user")


def _initialise(made: Cluster, owner: dict[str, Any]) -> None:
    unfinished = made.folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--username", USER, "--auth", "scram-sha-256", "--pwfile", str(made.folder / "password")]
    command = [program("initdb"), "-D", str(unfinished), *options, "--encoding", "UTF8", "--no-locale"]
    run: dict[str, Any] = {"cwd": made.folder, "capture_output": True, "text": True, "check": False, **owner}
    ended = subprocess.run(command, **run)  # noqa: S603  # no shell
    if ended.returncode:
        raise PipelineError(f"PostgreSQL cannot make its data in {made.folder}: {' '.join(ended.stderr.split())}")
    unfinished.rename(made.data)


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL; Debian keeps them out of the PATH.

    Raises:
        PipelineError: It is not installed.
    """
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]), reverse=True)
    if found := shutil.which(name) or next(iter(places), None):
        return str(found)
    raise PipelineError(
        f"`make team` needs PostgreSQL, whose program {name} is not here: install the package postgresql (on Fedora "
        f"postgresql-server), or name a database: export {DATABASE}=postgresql+asyncpg://user:password@host/name"
    )


def _free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise PipelineError(f"No port from {PORTS.start} to {PORTS.stop - 1} on {LOOPBACK} is free for PostgreSQL")
