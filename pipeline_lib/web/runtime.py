"""What runs ONNX graphs in a browser: onnxruntime-web, from the npm registry, with its digests pinned."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline_lib.errors import OutOfReachError
from pipeline_lib.files.digest import has_sha256
from pipeline_lib.files.packages import Member, Package, take_from_archive, take_from_package

NAME, VERSION = "onnxruntime-web", "1.30.0"
PACKAGE = Package("npm", f"{NAME}@{VERSION}")
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
"""Of the package as registries deliver it."""

MAX_BYTES = 64_000_000

REGISTRY = "https://registry.npmjs.org"
"""Asked where npm is not installed, unless ``NPM_CONFIG_REGISTRY`` names another one, as it does for npm."""

SCRIPT, GLUE, WASM = "ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
FILES = {
    SCRIPT: "faece07e84faa9001f5104bbe4e5c70861d06cb2376a0dea1fa0ad33a67adc81",
    GLUE: "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""What is used of the package: the interface, and the smallest of the WebAssembly builds, for processors alone."""


def fetch_runtime(downloads: Path) -> Path:
    """Return the folder with `FILES`, downloaded unless they are there.

    Args:
        downloads: Folder of downloads; it is made.

    Raises:
        DiskFullError: There is no room for them.
        OutOfReachError: Neither npm nor the registry delivers them; the message says what each one answered.
    """
    folder = downloads / f"{NAME}-{VERSION}"
    if not all(has_sha256(folder / name, digest) for name, digest in FILES.items()):
        from pipeline_lib.files.fetch import first_of  # an HTTP client, which is rarely needed

        members = [Member(f"package/dist/{name}", digest, MAX_BYTES, folder / name) for name, digest in FILES.items()]
        sources: list[Callable[[], None]] = [
            partial(take_from_package, PACKAGE, members, instead="leave page out of --format"),
            partial(_take_from_registry, members),
        ]
        try:
            first_of(sources)
        except OutOfReachError as error:
            raise OutOfReachError(
                f"{PACKAGE.name}, which runs the model in the page, cannot be downloaded: {error}. Make the npm registry "
                "reachable, name another one in NPM_CONFIG_REGISTRY, or leave page out of --format."
            ) from error
    return folder


def _take_from_registry(members: list[Member]) -> None:
    from pipeline_lib.files.fetch import FEW_ATTEMPTS, download

    address = f"{os.environ.get('NPM_CONFIG_REGISTRY', REGISTRY).rstrip('/')}/{NAME}/-/{NAME}-{VERSION}.tgz"

    def fetch(folder: Path) -> Path:
        archive = folder / "package.tgz"
        download(address, archive, max_bytes=MAX_BYTES, sha256=SHA256, attempts=FEW_ATTEMPTS, instead="install npm")
        return archive

    take_from_archive(fetch, members, refused=lambda reason: f"{address} {reason}, so it is refused")
