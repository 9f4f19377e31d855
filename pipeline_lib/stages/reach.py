"""What code a stage runs: the modules it reaches through imports, and the libraries those modules use.

All of it is read from the snapshot of the process, which is what its imports load.
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.publishing import write_atomically
from pipeline_lib.stages.snapshot import PROJECT, Snapshot

# What carries settings and sources to a stage, runs it, keeps its result, shows its progress and says what went wrong, but
# computes none of the result: packages and modules. The values of settings are in the key. What is downloaded is identified by
# an input's fingerprint or a pinned digest, and a link has the content of the file.
NOT_COMPUTING = (
    "pipeline_lib.data.source",
    "pipeline_lib.errors",
    "pipeline_lib.mnist.source",
    "pipeline_lib.settings",
    "pipeline_lib.stages",
    "pipeline_lib.files.fetch",
    "pipeline_lib.files.links",
    "pipeline_lib.files.packages",
    "pipeline_lib.progress",
    "tasks.contract",
)
# Libraries that do the same: the orchestrator, and what checks settings and descriptions.
CARRYING = frozenset({"prefect", "pydantic"})
# Ways to run code that no import statement names.
DYNAMIC = frozenset({"spec_from_file_location", "spec_from_loader", "exec_module", "load_module", "run_path", "run_module"})
IMPORTERS = frozenset({"import_module", "__import__"})
NO_CODE = hashlib.sha256(ast.dump(ast.parse("")).encode()).hexdigest()
"""Digest of a module that holds nothing but its docstring: it is in no key until it holds more."""
# Where the name to import is not the name to install.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


class Reach(NamedTuple):
    """Digests of the files a stage reaches, by path in the project, and versions of the libraries they import."""

    files: dict[str, str]
    libraries: dict[str, str]


class Parsed(NamedTuple):
    """Digest of a file's code, and the dotted names it imports; relative ones begin with their dots."""

    digest: str
    imports: list[str]


@lru_cache
def reach(module: str, memory: Path | None = None, snapshot: Snapshot = PROJECT) -> Reach:
    """Return the code that ``module`` runs: itself, and every project module reached from it through imports.

    Imports inside functions count, relative ones too, and so does ``import_module`` of a literal name. Imports that only a
    type checker sees do not run and do not count. The templates and other data files of a package that is reached count by
    their bytes. ``memory`` is a folder in which parsed files are remembered. It is made when needed, but never the one it
    lies in: a look at results that are not there, or only to be read, writes nothing.

    Raises:
        PipelineError: The code imports something in a way that cannot be followed, so no key could tell when it changes.
    """
    with _remembered(memory) as known:
        return _reach(module, known, snapshot)


def _reach(module: str, known: dict[str, Parsed], snapshot: Snapshot) -> Reach:
    files: dict[str, str] = {}
    libraries: dict[str, str] = {}
    if snapshot.source(module) is None:
        raise PipelineError(
            f"A stage's function is in {module}, which is in none of the packages of this project: move it there"
        )
    waiting, seen = _with_parents(module), set[str]()
    while waiting:
        name = waiting.pop()
        source = None if name in seen or not _computes(name) else snapshot.source(name)
        seen.add(name)
        if source is None:
            continue
        is_package = source.endswith("__init__.py")
        digest, imports = _parsed(source, snapshot.files[source], known)
        if digest != NO_CODE:
            files[_in_project(source, snapshot)] = digest
        if is_package:
            files |= {_in_project(data, snapshot): _sha256(snapshot.files[data]) for data in _data_files(source, snapshot)}
        for imported in imports:
            absolute = resolve_name(imported, name if is_package else name.rpartition(".")[0])
            top = absolute.partition(".")[0]
            if top in snapshot.packages:
                waiting += _with_parents(absolute)
            elif top not in sys.stdlib_module_names | CARRYING and (version := _version(top)):
                libraries[DISTRIBUTIONS.get(top, top)] = version
    return Reach(dict(sorted(files.items())), dict(sorted(libraries.items())))


def _in_project(path: str, snapshot: Snapshot) -> str:
    return Path(path).relative_to(snapshot.root).as_posix()


def _parsed(path: str, content: bytes, known: dict[str, Parsed]) -> Parsed:
    """Return what a source file holds, and make it known."""
    name = _sha256(content)
    if name not in known:
        tree = _without_docstrings(ast.parse(content))
        known[name] = Parsed(_sha256(ast.dump(tree).encode()), sorted(set(_imports(tree, path))))
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
        write_atomically(path, json.dumps(known).encode())


@lru_cache(maxsize=1)
def _read(path: Path, mtime_ns: int) -> dict[str, Parsed]:
    try:
        return {name: Parsed(*parsed) for name, parsed in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError):
        return {}  # not there, or damaged: all is parsed again


@cache
def _own_digest() -> str:
    return _sha256(PROJECT.files[__file__])[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _data_files(package: str, snapshot: Snapshot) -> Iterator[str]:
    """Yield a package's files that are not Python, those of its folders that are no packages too; given its ``__init__.py``."""
    for path in snapshot.files:
        if not path.endswith(".py"):
            packages = (str(folder / "__init__.py") for folder in Path(path).parents)
            if package == next((file for file in packages if file in snapshot.files), None):
                yield path


@cache
def _version(library: str) -> str | None:
    """Return the installed version of a library; None for one that is not there: it is imported only where it is.

    Raises:
        PipelineError: It is there, but it is no library whose version is known.
    """
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(library, library))
    except importlib.metadata.PackageNotFoundError:
        if importlib.util.find_spec(library) is None:
            return None
    raise PipelineError(
        f"A stage imports {library}, which is neither in this project's packages nor an installed library of that name, so a "
        "change of it would go unnoticed - move it into one of the packages, or name its distribution in DISTRIBUTIONS of "
        "pipeline_lib/stages/reach.py"
    )


def _computes(module: str) -> bool:
    return not any(f"{module}.".startswith(f"{name}.") for name in NOT_COMPUTING)


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _imports(tree: ast.AST, path: str) -> Iterator[str]:
    """Yield the dotted names a syntax tree imports; ``from a import b`` yields ``a`` and ``a.b``."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield start
            yield from (f"{start}{'.' if node.module else ''}{alias.name}" for alias in node.names)
        elif (literal := _literal_import(node)) is not None:
            yield literal
        elif _cannot_be_followed(node):
            raise PipelineError(
                f"{path}, line {getattr(node, 'lineno', 1)}, imports or runs code in a way that cannot be followed, so "
                'a change of that code would go unnoticed - use an import statement, or import_module("a.b")'
            )
        waiting += _that_run(node)


def _that_run(node: ast.AST) -> Iterable[ast.AST]:
    """Return the nodes inside a node, without what only a type checker looks at."""
    if isinstance(node, ast.Call) and _literal_import(node) is not None:
        return node.args
    if isinstance(node, ast.If):
        negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        if _name(node.test.operand if negated else node.test) == "TYPE_CHECKING":  # type: ignore[attr-defined]
            return node.body if negated else node.orelse
    return ast.iter_child_nodes(node)


def _literal_import(node: ast.AST) -> str | None:
    """Return the module that ``import_module("a.b")`` or ``__import__("a.b")`` imports; None for any other node."""
    if isinstance(node, ast.Call) and _name(node.func) in IMPORTERS and len(node.args) == 1 and not node.keywords:
        (name,) = node.args
        if isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith("."):
            return name.value
    return None


def _cannot_be_followed(node: ast.AST) -> bool:
    """Whether a node mentions a way to run code that no literal names. Attributes ``eval`` and ``exec`` mean other things."""
    if isinstance(node, ast.Name) and node.id in {"exec", "eval"}:
        return True
    return _name(node) in IMPORTERS | DYNAMIC


def _name(node: ast.AST) -> str:
    """Return the last part of a name such as ``TYPE_CHECKING`` or ``typing.TYPE_CHECKING``; empty for all else."""
    if isinstance(node, ast.alias):
        return node.name if node.asname else ""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree
