"""A run with nothing to do, from the start of the process to its end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from measure import Asked, Contender, last_json, output, script
from places import PEERS, Places
from served import prefect_server
from targets import Target, ratio

SECTION = "A run with nothing to do"
OWN, EMPTY, DVC, METAFLOW = "this project", "an empty Prefect flow", "dvc repro", "Metaflow, resume"
WALL = {"wall": "s"}
ABOUT = (
    "From the start of the process to its end, everything reused. This project and the empty Prefect flow talk to one "
    "Prefect server on loopback that is already running (`PREFECT_API_URL` names it); the empty flow has as many task runs "
    "as ours, each cached, and the same task runner. DVC: the same stages as small copy commands over the same originals, "
    "on one copy of them instead of all augmented views; like this project it looks at every file. Metaflow: `resume` of a "
    "finished run of the same stages clones each of them; it checks neither code nor data, so it shows the floor of a "
    "framework, not the cost of a check."
)
TARGETS = (
    Target(SECTION, "this project / the empty flow", ratio((SECTION, OWN, "wall"), (SECTION, EMPTY, "wall")), "at most", 1.2),
    Target(SECTION, "this project / dvc repro", ratio((SECTION, OWN, "wall"), (SECTION, DVC, "wall")), "at most", 1),
)


def rerun(places: Places, settings: Iterable[str]) -> tuple[str, ...]:
    """Return the command of a run of the flow."""
    options = [f"--set={assignment}" for assignment in settings]
    return (sys.executable, "-m", "cli.main", "run", "--json", "--dataset", places.dataset, *options)


def contenders(places: Places, asked: Asked) -> list[Contender]:
    """Start a Prefect server, prepare the rivals, and return what is measured."""
    served = {"PREFECT_API_URL": asked.kept.enter_context(prefect_server(places.work, places.environment()))}
    command = rerun(places, asked.settings)
    stages = last_json(output(command, places, **served))["stages"]
    tasks = 1 + sum(row.get("reused", 1) for row in stages)  # the source is asked by a task too
    empty = script("measured/empty_flow.py", "--tasks", tasks, "--work", places.work)
    found = [
        Contender(OWN, command, WALL, warm_up=True, environment=served, check=all_reused),
        Contender(EMPTY, empty, WALL, warm_up=True, environment=served),
    ]
    return found + (peer_contenders(places) if asked.peers else [])


def peer_contenders(places: Places) -> list[Contender]:
    """Lay out the DVC project and run the Metaflow flow once."""
    project, dataset = places.work / "dvc", places.work / "artifacts" / "stages" / "dataset" / places.key("dataset")
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    output(script("peers/dvc_project.py", dataset, project, python=PEERS), places)
    metaflow = script("peers/metaflow_flow.py", "--quiet", python=PEERS)
    output((*metaflow, "run"), places)
    repro = (str(PEERS), "-m", "dvc", "--cd", str(project), "repro")
    return [
        Contender(DVC, repro, WALL, warm_up=True, check=up_to_date),
        Contender(METAFLOW, (*metaflow, "resume"), WALL, warm_up=True),
    ]


def all_reused(out: str) -> None:
    """Raise ValueError unless every stage was reused."""
    computed = [row["name"] for row in last_json(out)["stages"] if row["status"] != "reused"]
    if computed:
        raise ValueError(f"computed again: {', '.join(computed)}")


def up_to_date(out: str) -> None:
    """Raise ValueError unless DVC found nothing to do."""
    if "up to date" not in out:
        raise ValueError("dvc repro found something to do")
