"""The project's files as they were when the process began: what keys name is what runs, whatever is edited meanwhile.

Stages import most of their modules late. Read from disk at that moment, an edit made while a run is going would mix two
versions of the code, and a key would name one that did not run. So the files are read once, when the project's first module is
loaded; modules are imported from what was read, and keys are computed from it. An edit counts from the next process on.
"""

from __future__ import annotations

import linecache
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("cli", "flows", "tasks", "pipeline_lib")


class Snapshot(MetaPathFinder):
    """The content of every file of some packages in one folder; finds their modules for the import system.

    Attributes:
        root: The folder.
        packages: Names of the packages.
        files: Content by absolute path.
    """

    def __init__(self, root: Path, packages: Sequence[str] = PACKAGES) -> None:
        self.root = root
        self.packages = frozenset(packages)
        self.files = {path: Path(path).read_bytes() for package in packages for path in _paths(root / package)}

    def source(self, module: str) -> str | None:
        """Return the path of a module's file; None when the dotted name is not a module of these packages."""
        if module.partition(".")[0] not in self.packages:
            return None
        place = str(self.root.joinpath(*module.split(".")))
        return next((path for path in (f"{place}{os.sep}__init__.py", f"{place}.py") if path in self.files), None)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to import a module: from the snapshot. See ``importlib.abc.MetaPathFinder``."""
        source = self.source(name)
        return spec_from_file_location(name, source, loader=_Loader(name, source, self.files)) if source else None


class _Loader(SourceFileLoader):
    """Loads a module, and the data files beside it (``pkgutil.get_data``), from a snapshot."""

    def __init__(self, name: str, path: str, files: dict[str, bytes]) -> None:
        super().__init__(name, path)
        self._files = files

    def get_data(self, path: str) -> bytes:
        known = self._files.get(path)
        return super().get_data(path) if known is None else known  # compiled files are not in the snapshot

    def path_stats(self, path: str) -> dict[str, int]:
        """Return what decides whether a compiled file is up to date: content, as a date can be that of another content."""
        return {"mtime": zlib.crc32(self._files[path]), "size": len(self._files[path])}

    def exec_module(self, module: ModuleType) -> None:
        # MindSpore compiles a network from its source, and tracebacks show it: both ask linecache, which asks the disk.
        # An entry without a date is never compared with the file.
        lines = (self.get_source(self.name) or "").splitlines(keepends=True)
        linecache.cache[self.path] = (len(self._files[self.path]), None, lines, self.path)
        super().exec_module(module)


def _paths(package: Path) -> Iterator[str]:
    """Yield the files below a package; caches of tools and hidden files are none of it."""
    for folder, inner, names in os.walk(package):
        inner[:] = [name for name in inner if not name.startswith((".", "__"))]
        yield from (os.path.join(folder, name) for name in names if not name.startswith("."))  # noqa: PTH118  # a str is the key


PROJECT = Snapshot(Path(__file__).absolute().parents[2])
"""The snapshot of this process."""


def use() -> None:
    """Import the modules of this project from the snapshot from now on."""
    if PROJECT not in sys.meta_path:
        sys.meta_path.insert(0, PROJECT)
