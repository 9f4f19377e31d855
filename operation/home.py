"""The project's own Prefect home: where it is, who may read it, and how the server in it is operated."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline_lib.errors import PipelineError

AUTH = "PREFECT_SERVER_API_AUTH_STRING"
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
EXAMPLE = "postgresql+asyncpg://user:password@host/name"
OWN = "prefect.db"  # SQLite in the home


def home() -> Path:
    """Return the project's own Prefect home; raises PipelineError when none is set, because the user's must not be used."""
    try:
        return Path(os.environ["PREFECT_HOME"]).absolute()
    except KeyError:
        raise PipelineError("PREFECT_HOME is not set; use `make ui` and `make down`, which set it") from None


def keep_private() -> None:
    """Create the home, and close it with all its content to other users: runs, logs and messages are in its database."""
    home().mkdir(mode=0o700, parents=True, exist_ok=True)
    home().chmod(0o700)
    for path in home().rglob("*"):
        with suppress(FileNotFoundError):  # a running server removes files
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)


class Operation(BaseModel):
    """What must not change unnoticed from one start of the server to the next. It holds no secret.

    Attributes:
        database: Address of the database without its password and options; ``prefect.db`` for the one in the home.
        host: Address of the network interface on which the server listens.
        salt: Random, in hexadecimal digits.
        password: scrypt hash of the server's ``user:password`` with that salt, in hexadecimal digits; None without one.
        profile: Name of the profile, see ``operation/profiles.py``; notes of earlier releases have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str
    host: str
    salt: str
    password: str | None
    profile: str = "ui"

    @classmethod
    def of_this_shell(cls, host: str, salt: str, profile: str) -> Operation:
        """Return what a server that this shell starts would be operated with."""
        password = os.environ.get(AUTH)
        hashed = _hash(password, salt) if password else None
        return cls(database=_database(), host=host, salt=salt, password=hashed, profile=profile)

    def differences(self, other: Operation) -> Iterator[str]:
        """Say in what ``other``, with the same salt, differs from this, and how to make it the same."""
        if other.database != self.database:
            export = f"unset {DATABASE}" if self.database == OWN else f"export {DATABASE}={EXAMPLE}"
            yield f"keeps its runs in {self.database}, not in {other.database} ({export})"
        if other.host != self.host:
            yield f"listens on {self.host}, not on {other.host} (export GARBAGE_HOST={self.host})"
        if self.password and not other.password:
            yield f"requires a password, and this shell has none (export {AUTH}=user:password)"
        elif other.password and not self.password:
            yield f"has no password, and this shell has one (unset {AUTH})"
        elif self.password != other.password:
            yield f"refuses this password ({AUTH} differs from the one at its start)"


def note() -> Path:
    """Return the file that remembers how the server is operated. ``down`` keeps it; without it everything is accepted."""
    return home() / "operation.json"


def known_operation() -> Operation | None:
    """Return how the server was started; None if nothing remembers it."""
    return Operation.model_validate_json(note().read_bytes()) if note().exists() else None


def password() -> Path:
    """Return the file with the ``user:password`` that a team's server was given, if its people have named none."""
    return home() / "password"


def check_profile(profile: str) -> None:
    """Raise PipelineError when the server was started in the other profile."""
    known = known_operation()
    if known and known.profile != profile:
        raise PipelineError(
            f"{home()} is operated by `make {known.profile}`, not by `make {profile}`; to change that on purpose: `make down`, "
            f"then remove {note()}; its runs stay in the database in which they were recorded"
        )


def check_operation(host: str, profile: str = "ui") -> Operation:
    """Return how this shell would operate the server; raises PipelineError when it was started in another way."""
    known = known_operation()
    wanted = Operation.of_this_shell(host, known.salt if known else secrets.token_hex(16), profile)
    if known and (changed := list(known.differences(wanted))):
        raise PipelineError(
            f"The server of {home()} {'; it '.join(changed)}; to change that on purpose: `make down`, then remove {note()}"
        )
    return wanted


def remember_operation(operation: Operation) -> None:
    """Note how the server was started: what the next start is compared with."""
    note().write_text(operation.model_dump_json(), encoding="utf-8")


def _database() -> str:
    """Return the database of a server started by this shell, as ``Operation`` notes it."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    address = os.environ.get(DATABASE)
    if not address:
        return OWN
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise PipelineError(
            f"{DATABASE} is not an address such as {EXAMPLE}; percent-encode special characters of the password (@ as %40)"
        ) from None
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()
