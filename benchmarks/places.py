"""Where a benchmark finds its interpreters and keeps its files, and what its processes see of the caller's environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
PEERS = PROJECT / ".venv-peers" / "bin" / "python"
PINS = PROJECT / "benchmarks" / "peers.txt"
RECORD = "prepared.json"
# Some machines set these; they tell NumPy's OpenBLAS of another processor than there is.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Places:
    """The folder of a benchmark's files and the dataset it is about.

    Attributes:
        work: Folder of results, caches and everything else that is written; it may be kept for the next time.
        dataset: What ``garbage run --dataset`` is given.
    """

    work: Path
    dataset: str

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a measured process: nothing leads to the caller's own Prefect, DVC or Metaflow."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "GARBAGE_", "DVC_", "METAFLOW_")) and name not in MISLEADING
        }
        own = {
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'benchmarks'}",
            "GARBAGE_ARTIFACTS": str(self.work / "artifacts"),
            "PREFECT_HOME": str(self.work / "prefect-home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "GLOG_v": "3",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.work / "dvc-cache"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.work / "dvc-config"),
            "METAFLOW_HOME": str(self.work / "metaflow-home"),
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self.work / "metaflow"),
            "USERNAME": "benchmark",
            "TORCHINDUCTOR_CACHE_DIR": str(self.work / "inductor"),
        }
        return {**kept, **own, **more}

    def record(self, keys: dict[str, str], settings: dict[str, Any]) -> None:
        """Keep which results there are, for the measured processes and for ``key``."""
        record = {"keys": keys, "settings": settings}
        (self.work / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def key(self, stage: str) -> str:
        """Return the key of a stage's result."""
        return str(json.loads((self.work / RECORD).read_text(encoding="utf-8"))["keys"][stage])

    def shown(self, command: tuple[str, ...]) -> str:
        """Return a command as a reader of a fresh clone would type it."""
        names = {
            str(PEERS): ".venv-peers/bin/python",
            sys.executable: ".venv/bin/python",
            self.dataset: Path(self.dataset).name or self.dataset,
        }

        def word(text: str) -> str:
            short = names.get(text) or text.replace(str(self.work), "build/bench").replace(f"{PROJECT}/", "")
            return f"'{short}'" if set(short) & set(" []{}*") else short

        return " ".join(map(word, command))


def install_peers() -> None:
    """Make ``.venv-peers`` from ``peers.txt``, once."""
    stamp, wanted = PEERS.parents[1] / ".installed", hashlib.sha256(PINS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("installing benchmarks/peers.txt into .venv-peers (some minutes, 1 GB or more) ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(PEERS.parents[1])], check=True)
    pip = [str(PEERS), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PINS)]
    log = PEERS.parents[1] / "install.log"
    with log.open("wb") as out:
        if subprocess.run(pip, check=False, stdout=out, stderr=out).returncode:
            sys.exit(
                f"pip could not install {PINS.name}; details are in {log.relative_to(PROJECT)}, and --no-peers does without"
            )
    stamp.write_text(wanted, encoding="utf-8")
