"""A Prefect server and its workers in the background: ``make ui``, ``make team`` and ``make down``.

Everything they write is in ``PREFECT_HOME``, which the Makefile sets to ``artifacts/prefect-home``; the database of a team
is in a folder beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from filelock import FileLock

from flows.table import DEFAULT
from operation.database import LOOPBACK
from operation.deploy import PROJECT
from operation.home import AUTH, home, keep_private, password
from operation.processes import workers
from operation.profiles import PROFILES, UI, Profile
from operation.starting import PORT, up
from operation.stopping import down
from pipeline_lib.errors import PipelineError


def _summary(api: str, profile: Profile) -> str:
    prefect = PROJECT / ".venv" / "bin" / "prefect"
    logs = [home() / "server.log", *(each.log for each in workers())]
    return "\n".join(
        [
            f"Prefect UI   {api.removesuffix('/api')}",
            f"artifacts    {api.removesuffix('/api')}/artifacts",
            f"logs         {', '.join(map(str, logs))}",
            *_team_lines(profile),
            f"start a run  export PREFECT_API_URL={api}",
            *_login_lines(),
            f"             {prefect} deployment run {DEFAULT.name}/{DEFAULT.name} -p dataset=data_en --watch",
            "stop all     make down",
        ]
    )


def _team_lines(profile: Profile) -> Iterator[str]:
    if profile.workers > 1:
        yield f"results      {', '.join(map(str, profile.roots))}; champions and nights are kept in the first"
        yield f"shared by    {profile.remote}"


def _login_lines() -> Iterator[str]:
    if AUTH in os.environ:
        own = password().exists() and os.environ[AUTH] == password().read_text(encoding="utf-8")
        shown = f'"$(cat {password()})"' if own else "..."
        yield f"             export PREFECT_API_AUTH_STRING={shown}   the server's user:password"


@click.group()
def main() -> None:
    """Start or stop the project's own Prefect server and workers."""


@main.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Port of the server; {PORT} if not given.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default=UI.name, help="One worker, or a team of two.")
def up_command(port: int | None, profile: str) -> None:
    """Start the server and the workers unless they run, deploy, and print where to look."""
    chosen = PROFILES[profile]
    with _explained(), _alone():
        click.echo(_summary(up(port, os.environ.get("GARBAGE_HOST") or LOOPBACK, chosen), chosen))


@main.command("down")
def down_command() -> None:
    """Stop what was started by ``up``; runs in progress are cancelled."""
    with _explained(), _alone():
        click.echo("\n".join(down()))


@contextmanager
def _alone() -> Iterator[None]:
    """Let only one of these commands run at a time."""
    keep_private()
    with FileLock(home() / "ui.lock"):
        yield
    keep_private()  # files that were written meanwhile


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except PipelineError as error:
        click.echo(f"error {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
