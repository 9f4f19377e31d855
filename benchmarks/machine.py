"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
from places import PEERS

LIBRARIES = ("mindspore", "onnxruntime", "numpy", "scikit-learn", "prefect", "pillow")
PEER_LIBRARIES = ("torch", "torchvision", "dvc", "metaflow")


def machine(peers: bool) -> dict[str, str]:
    """Return processor, cores, memory, system, Python and the versions of the libraries."""
    described = {
        "processor": _processor(),
        "cores": f"{os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{_distribution()}, {platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        "load before": f"{psutil.getloadavg()[0]:.2f} (mean of a minute)",
        **{name: version(name) for name in LIBRARIES},
    }
    return {**described, **(_peers() if peers else {})}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()


def _peers() -> dict[str, str]:
    """Ask the peers' environment itself."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run([PEERS, "-c", code, *PEER_LIBRARIES], capture_output=True, text=True, check=True)
    return dict(zip(PEER_LIBRARIES, done.stdout.split(), strict=True))
