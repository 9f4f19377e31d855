"""Lay out a DVC project of this project's stages over a folder of images: dvc_project.py IMAGES PROJECT, once.

Each stage is a small copy, so that ``dvc repro`` has the same files to check as a real one would have. The augmented views
are one copy of the images here, not fourteen: less to check than in this project.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

# stage -> what it reads and what it leaves; what reads a folder of images and leaves a folder copies it
STAGES = {
    "dataset": (["images"], "dataset"),
    "audit": (["dataset"], "audit.txt"),
    "backbone": (["weights.txt"], "backbone.txt"),
    "augment": (["dataset"], "augmented"),
    "data_new": (["augmented"], "data_new"),
    "features": (["dataset", "augmented", "backbone.txt"], "features.txt"),
    "train": (["features.txt", "audit.txt"], "model.txt"),
    "evaluate": (["model.txt", "features.txt"], "scores.txt"),
    "report": (["scores.txt", "model.txt", "audit.txt"], "report.txt"),
}


def main() -> None:
    """Make the project and run its stages."""
    images, project = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.copytree(images, project / "images")
    (project / "weights.txt").write_text("weights\n", encoding="utf-8")
    stages = {name: stage(*files) for name, files in STAGES.items()}
    (project / "dvc.yaml").write_text(json.dumps({"stages": stages}, indent=1), encoding="utf-8")  # JSON is YAML
    dvc(project, "init", "--no-scm", "--quiet")
    dvc(project, "config", "core.analytics", "false")
    dvc(project, "config", "core.check_update", "false")
    dvc(project, "repro", "--quiet")


def stage(reads: list, leaves: str) -> dict:
    """Return a stage as ``dvc.yaml`` has it."""
    source = reads[0] if "." not in leaves else next((read for read in reads if "." in read), "")
    command = f"cp -r {source} {leaves}" if source else f"ls {' '.join(reads)} > {leaves}"
    return {"cmd": command, "deps": reads, "outs": [leaves]}


def dvc(project: Path, *arguments: str) -> None:
    """Run a DVC command in the project."""
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=project, check=True)


if __name__ == "__main__":
    main()
