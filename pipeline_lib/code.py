"""What code a stage runs: the modules it reaches through imports, and the libraries those modules use.

A module's digest is taken from its syntax tree without docstrings, so comments, docstrings and layout change nothing.
Parsing a hundred files takes half a second, so what was found in a file is kept under the digest of its bytes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

PROJECT = "pipeline_lib"
# Settings reach a stage as values, and the values are in its key. `files.*` download what an input's fingerprint or a
# pinned digest identifies: how they do it changes no result. The others keep results; they compute none.
NOT_COMPUTING = frozenset(
    f"{PROJECT}.{name}" for name in ("settings", "stages", "code", "run", "files.fetch", "files.packages")
)
# Where the name to import is not the name to install.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "PyYAML"}


class Reach(NamedTuple):
    """Digests of the files a stage reaches, by path in the project, and versions of the libraries they import."""

    files: dict[str, str]
    libraries: dict[str, str]


class Parsed(NamedTuple):
    """Digest of a file's code, and the dotted names it imports."""

    digest: str
    imports: list[str]


@lru_cache
def reach(module: str, memory: Path | None = None) -> Reach:
    """Return the code that ``module`` runs: itself, and every project module reached from it through imports.

    Imports inside functions count; imports under ``if TYPE_CHECKING`` do not run and do not count. The templates and
    other data files of a package that is reached count by their bytes. ``memory`` is a folder in which parsed files are
    remembered. It is made when needed, but never the one it lies in: a look at results that are not there, or only to be
    read, writes nothing.
    """
    with _remembered(memory) as known:
        return _reach(module, known)


def _reach(module: str, known: dict[str, Parsed]) -> Reach:
    files: dict[str, str] = {}
    libraries: dict[str, str] = {}
    waiting, seen = [module], set(NOT_COMPUTING)
    while waiting:
        name = waiting.pop()
        source = None if name in seen else _source(name)
        seen.add(name)
        if source is None:
            continue
        digest, imports = _parsed(source.read_bytes(), known)
        root = source.parents[name.count(".") + (source.name == "__init__.py")]
        files[source.relative_to(root).as_posix()] = digest
        if source.name == "__init__.py":
            files |= {data.relative_to(root).as_posix(): _sha256(data.read_bytes()) for data in _data_files(source.parent)}
        for imported in imports:
            top = imported.partition(".")[0]
            if top == PROJECT:
                waiting += _with_parents(imported)
            elif top not in sys.stdlib_module_names and (version := _version(top)):
                libraries[DISTRIBUTIONS.get(top, top)] = version
    # The orchestrator runs stages; it does not shape what they compute.
    libraries.pop("prefect", None)
    return Reach(dict(sorted(files.items())), dict(sorted(libraries.items())))


def _parsed(content: bytes, known: dict[str, Parsed]) -> Parsed:
    """Return what a source file holds, and make it known."""
    name = _sha256(content)
    if name not in known:
        tree = _without_docstrings(ast.parse(content))
        known[name] = Parsed(_sha256(ast.dump(tree).encode()), sorted(set(_imports(tree))))
    return known[name]


@contextmanager
def _remembered(memory: Path | None) -> Iterator[dict[str, Parsed]]:
    """Yield what is known of files by the digest of their bytes, and keep what was added.

    ``ast.dump`` differs between versions of Python, and this module may change: either starts anew.
    """
    if memory is None:
        yield {}
        return
    path = memory / f"code-{sys.version_info.major}.{sys.version_info.minor}-{_own_digest()}.json"
    known = _read(path, path.stat().st_mtime_ns if path.exists() else 0)
    before = len(known)
    yield known
    if len(known) > before and os.access(memory.parent, os.W_OK):
        memory.mkdir(exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.replace(path)


@lru_cache(maxsize=1)
def _read(path: Path, mtime_ns: int) -> dict[str, Parsed]:
    try:
        return {name: Parsed(*parsed) for name, parsed in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError):
        return {}  # not there, or damaged: all is parsed again


@cache
def _own_digest() -> str:
    return _sha256(Path(__file__).read_bytes())[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _data_files(package: Path) -> Iterator[Path]:
    """Yield the files of a package, and of its folders that are no packages themselves, that are not Python."""
    for path in sorted(package.iterdir()):
        if path.name.startswith((".", "__")):  # caches of tools
            continue
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data_files(path)
        elif path.is_file() and path.suffix != ".py":
            yield path


def _source(module: str) -> Path | None:
    """Return a module's file, or None when the dotted name is not a module (a function of one, say).

    Only the top package is looked up by the import system: a look-up of ``a.b.c`` would import ``a.b``, and what that imports.
    """
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None or not inner:
        return Path(spec.origin) if spec and spec.origin else None
    place = Path(spec.origin).parent.joinpath(*inner)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(library, library))
    except importlib.metadata.PackageNotFoundError:
        return None  # a package of this project beside pipeline_lib


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names a syntax tree imports; ``from a import b`` yields ``a`` and ``a.b``."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree
