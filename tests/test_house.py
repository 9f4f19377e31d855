"""The shape of the house: imports point down, and every stage's key reaches what its table says and nothing else."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support import PROJECT

from pipeline_lib.models.architectures import ENTRIES, Entry
from pipeline_lib.stages.reach import reach

ROOMS = (
    "pipeline_lib.errors",
    "pipeline_lib.progress",
    "pipeline_lib.files",
    "pipeline_lib.settings",
    "pipeline_lib.remote",
    "pipeline_lib.stages",
    "pipeline_lib",
    "pipeline_lib.images",
    "pipeline_lib.data",
    "pipeline_lib.audit",
    "pipeline_lib.views",
    "pipeline_lib.mnist",
    "pipeline_lib.models",
    "pipeline_lib.features",
    "pipeline_lib.weights",
    "pipeline_lib.evaluation",
    "pipeline_lib.labels",
    "pipeline_lib.training",
    "pipeline_lib.prediction",
    "pipeline_lib.causes",
    "pipeline_lib.prices",
    "pipeline_lib.web",
    "pipeline_lib.export",
    "pipeline_lib.serving",
    "pipeline_lib.reporting",
    "tasks",
    "tasks.contract",
    "tasks.finetune",
    "tasks.lenet",
    "tasks.sweep",
    "flows",
    "cli",
    "operation",
)
"""From the bottom up: a room imports from rooms before it in this list, and from itself."""

# Stage -> what its key reaches, by room, and the libraries. A new arrow is a decision: whoever draws it writes it down here.
REACHED: dict[str, tuple[dict[str, str], str]] = {
    "finetune.dataset": (
        {
            "": "__init__",
            "data": "corrections dataset decisions imagefolder layout usable",
            "files": "clutter digest table",
            "images": "read",
        },
        "numpy pillow pillow_heif",
    ),
    "finetune.audit": (
        {
            "": "__init__",
            "audit": "audit findings similarity",
            "files": "table",
            "images": "read",
        },
        "faiss-cpu imagehash numpy pandas pillow pillow_heif scipy",
    ),
    "finetune.backbone": (
        {
            "": "__init__",
            "data": "embedded",
            "features": "engine",
            "files": "description digest",
            "images": "denoise noise prepare preprocessing read",
            "models": "architecture arrays backbone depths files graph inference layers parameters published spec",
            "weights": "convert export keras sources torch",
        },
        "h5py mindspore numpy onnx onnxruntime pillow pillow_heif",
    ),
    "finetune.augment": (
        {
            "": "__init__",
            "files": "description table",
            "images": "prepare read",
            "views": "augment folder view",
        },
        "numpy pillow pillow_heif",
    ),
    "finetune.data_new": (
        {
            "": "__init__",
            "files": "description table",
            "images": "prepare read",
            "views": "data_new view",
        },
        "numpy pillow pillow_heif",
    ),
    "finetune.features": (
        {
            "": "__init__",
            "features": "engine shards table",
            "files": "description table",
            "images": "denoise noise prepare preprocessing read",
            "models": "files spec",
            "views": "folder view",
        },
        "numpy onnxruntime pillow pillow_heif",
    ),
    "finetune.sources": (
        {
            "": "__init__",
            "audit": "findings geometry leak_sheet neighbours sketch sources verdicts",
            "features": "table",
            "files": "table",
            "images": "noise read",
        },
        "faiss-cpu numpy opencv-python-headless pillow pillow_heif scipy threadpoolctl",
    ),
    "finetune.split": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "by_source corrections layout split",
            "files": "table",
        },
        "",
    ),
    "finetune.train": (
        {
            "": "__init__",
            "audit": "findings",
            "evaluation": "calibration reliability",
            "features": "table",
            "files": "description table",
            "images": "noise",
            "models": "arrays classifier files heads outputs parameters",
            "training": "batches checkpoints dense folds head inputs loop rows trainer",
            "views": "view",
        },
        "mindspore numpy scikit-learn scipy threadpoolctl",
    ),
    "finetune.cross_validate": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "classes corrections",
            "evaluation": (
                "calibration cross_validation metrics out_of_fold predictions reliability robustness scores selection tables"
            ),
            "features": "table",
            "files": "description table",
            "images": "noise",
            "models": "arrays classifier files heads outputs parameters",
            "training": "batches checkpoints cross_validation dense folds head inputs loop rows trainer",
            "views": "view",
        },
        "mindspore numpy scikit-learn scipy threadpoolctl",
    ),
    "finetune.evaluate": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "classes corrections",
            "evaluation": "evaluate metrics predictions projection reliability robustness scores selection tables",
            "features": "table",
            "files": "description table",
            "images": "noise read thumbnail",
            "models": "arrays heads outputs",
            "views": "view",
        },
        "numpy pillow pillow_heif scikit-learn scipy threadpoolctl",
    ),
    "finetune.export": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "chinese classes corrections embedded imagefolder",
            "evaluation": "calibration comparison metrics out_of_fold predictions reliability sure",
            "export": "browser examples export formats graph mindir nodes noise page photographs picture quantisation refit "
            "source validation",
            "features": "engine",
            "files": "clutter description digest table",
            "images": "denoise noise prepare preprocessing read",
            "mnist": "arrays",
            "models": "architecture architectures arrays backbone classifier depths files graph heads inference layers lenet5 "
            "networks outputs parameters published spec trained",
            "prediction": "model",
            "training": "batches checkpoints dense folds head inputs loop rows trainer",
            "views": "augment folder view",
            "web": "docs.html head.js page.css page.html page.js pages runtime server.js session.js teach.js zip.js",
        },
        "mindspore numpy onnx onnxruntime pillow pillow_heif scikit-learn scipy threadpoolctl",
    ),
    "finetune.labels": (
        {
            "": "__init__",
            "audit": "neighbours",
            "data": "corrections",
            "evaluation": "out_of_fold predictions reliability",
            "features": "table",
            "files": "table",
            "images": "noise read thumbnail",
            "labels": "findings listed outliers suspects",
            "views": "view",
        },
        "cleanlab faiss-cpu numpy pillow pillow_heif scipy",
    ),
    "finetune.promote": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "corrections",
            "evaluation": "calibration challenge comparison decided metrics out_of_fold pairs predictions promotion "
            "reliability",
            "features": "table",
            "files": "description table",
            "images": "noise read thumbnail",
            "models": "arrays heads outputs",
            "views": "view",
        },
        "numpy pillow pillow_heif scikit-learn scipy threadpoolctl",
    ),
    "finetune.changes": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "changes",
            "evaluation": "arrivals calibration changes comparison drift metrics out_of_fold pairs predictions promotion "
            "reliability",
            "features": "table",
            "files": "table",
            "images": "noise read",
            "views": "view",
        },
        "numpy pillow pillow_heif scikit-learn scipy",
    ),
    "finetune.nights": (
        {"": "__init__", "evaluation": "nights selection", "files": "table"},
        "",
    ),
    "finetune.report": (
        {
            "": "__init__",
            "reporting": "blocks formats looks",
            "reporting/pages": "albums markdown provenance report",
            "reporting/pages/templates": "album.html.j2 artifact_album.html.j2 report.css report.html.j2 report.md.j2",
        },
        "jinja2 markupsafe",
    ),
    "finetune.cut": (
        {
            "": "__init__",
            "features": "engine",
            "files": "description",
            "images": "denoise noise prepare preprocessing",
            "models": "architecture arrays backbone cut depths files graph inference layers parameters spec",
            "weights": "export frozen",
        },
        "mindspore numpy onnx onnxruntime pillow",
    ),
    "finetune.tune": (
        {
            "": "__init__",
            "audit": "findings",
            "evaluation": "calibration out_of_fold predictions reliability",
            "features": "engine table",
            "files": "description table",
            "images": "denoise noise prepare preprocessing",
            "models": "architecture arrays backbone classifier cut depths files graph heads inference layers outputs "
            "parameters spec tuned",
            "training": "batches checkpoints cross_validation dense distillation folds head inputs loop rows steps trainer "
            "tuning",
            "views": "view",
            "weights": "export",
        },
        "mindspore numpy onnx onnxruntime pillow scikit-learn scipy threadpoolctl",
    ),
    "finetune.cross_validate_tuned": (
        {
            "": "__init__",
            "audit": "findings",
            "data": "classes corrections",
            "evaluation": "calibration cross_validation metrics out_of_fold predictions reliability robustness scores "
            "selection tables",
            "features": "table",
            "files": "description table",
            "images": "denoise noise prepare preprocessing",
            "models": "architecture arrays backbone classifier cut depths files graph heads inference layers outputs "
            "parameters spec tuned",
            "training": "batches checkpoints cross_validation dense distillation folds head inputs loop rows steps trainer "
            "tuning",
            "views": "view",
        },
        "mindspore numpy pillow scikit-learn scipy threadpoolctl",
    ),
    "lenet.dataset": (
        {
            "": "__init__",
            "data": "decisions",
            "files": "table",
            "mnist": "arrays dataset",
        },
        "numpy",
    ),
    "lenet.train": (
        {
            "": "__init__",
            "evaluation": "calibration reliability",
            "files": "description table",
            "images": "prepare",
            "mnist": "arrays table",
            "models": "arrays graph inference lenet5 outputs parameters",
            "training": "batches checkpoints folds loop network rows steps trainer",
            "views": "view",
        },
        "mindspore numpy pillow scikit-learn scipy",
    ),
    "lenet.evaluate": (
        {
            "": "__init__",
            "evaluation": "evaluate examples metrics predictions projection reliability robustness scores selection tables",
            "files": "description table",
            "images": "prepare thumbnail",
            "mnist": "arrays table",
            "models": "arrays graph inference lenet5 networks outputs parameters trained",
            "views": "view",
        },
        "mindspore numpy pillow scikit-learn scipy threadpoolctl",
    ),
    "lenet.report": (
        {
            "": "__init__",
            "reporting": "blocks formats looks",
            "reporting/pages": "albums markdown provenance report",
            "reporting/pages/templates": "album.html.j2 artifact_album.html.j2 report.css report.html.j2 report.md.j2",
        },
        "jinja2 markupsafe",
    ),
    "sweep.leaderboard": (
        {
            "": "__init__",
            "evaluation": "comparison leaderboard out_of_fold predictions",
            "files": "table",
            "views": "view",
        },
        "numpy scipy",
    ),
    "sweep.report": (
        {
            "": "__init__",
            "reporting": "blocks formats looks",
            "reporting/pages": "albums markdown provenance report",
            "reporting/pages/templates": "album.html.j2 artifact_album.html.j2 report.css report.html.j2 report.md.j2",
        },
        "jinja2 markupsafe",
    ),
}

DATASET = {
    "": "__init__",
    "data": "corrections dataset decisions imagefolder layout usable",
    "files": "clutter digest table",
    "images": "read",
}
ARCHIVE = DATASET | {
    "data": "corrections dataset decisions embedded imagefolder layout usable",
    "files": "archive archive_names clutter digest table",
}
IDX = {"": "__init__", "data": "decisions", "files": "digest table"}
# Kind of source -> what the key of the stage ``dataset`` reaches with it.
READ: dict[str, dict[str, str]] = {
    "data.folder": DATASET | {"data/kinds": "folder"},
    "data.archive": ARCHIVE | {"data/kinds": "archive"},
    "data.remote": ARCHIVE | {"data/kinds": "archive remote"},
    "mnist.mnist": IDX | {"mnist": "arrays dataset idx numbered official", "mnist/kinds": "idx mnist"},
    "mnist.idx": IDX | {"mnist": "arrays dataset idx numbered official", "mnist/kinds": "idx"},
    "mnist.digits": {
        "": "__init__",
        "data": "decisions imagefolder",
        "files": "clutter table",
        "mnist": "arrays dataset numbered",
        "mnist/kinds": "digits",
    },
    # The source of photographs has a reader of its own, which the key covers too.
    "mnist.images": DATASET
    | {
        "files": "clutter description digest table",
        "images": "prepare read",
        "mnist": "arrays dataset",
        "mnist/kinds": "images",
    },
}


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    files = [file for top in {room.partition(".")[0] for room in ROOMS} for file in (PROJECT / top).rglob("*.py")]
    dotted = {".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return dict(sorted(dotted.items()))


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports when it runs, inside functions too."""
    known, waiting = modules(), [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node: ast.AST = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                each if each in known else node.module for each in (f"{node.module}.{alias.name}" for alias in node.names)
            )
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            waiting += ast.iter_child_nodes(node)  # type: ignore[arg-type]


def room_of(module: str) -> str:
    return max((room for room in ROOMS if f"{module}.".startswith(f"{room}.")), key=len)


def test_imports_point_down() -> None:
    known = modules()
    wrong = [
        f"{module} imports {imported}"
        for module, file in known.items()
        for imported in imports(file)
        if imported in known and ROOMS.index(room_of(imported)) > ROOMS.index(room_of(module))
    ]
    assert not wrong


def test_modules_import_one_another_in_no_circle() -> None:
    known = modules()
    arrows = {module: {each for each in imports(file) if each in known and each != module} for module, file in known.items()}
    while free := {module for module, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {module: targets for module, targets in arrows.items() if module not in free}
    assert not arrows


def rooms_of(files: Iterable[str]) -> dict[str, str]:
    """The modules of ``pipeline_lib`` among files, by room."""
    rooms: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        if not file.startswith("tasks/"):
            room, _, name = file.removeprefix("pipeline_lib/").rpartition("/")
            rooms[room].append(name.removesuffix(".py"))
    return {room: " ".join(sorted(names)) for room, names in rooms.items()}


@pytest.mark.parametrize("stage", REACHED)
def test_a_stages_key_reaches_what_the_table_says(stage: str) -> None:
    reached = reach(f"tasks.{stage}")
    assert rooms_of(reached.files) == REACHED[stage][0]
    assert " ".join(reached.libraries) == REACHED[stage][1]


@pytest.mark.parametrize("kind", READ)
def test_a_kind_of_source_reaches_its_own_module_and_no_other_kinds(kind: str) -> None:
    room, _, name = kind.partition(".")
    stage = reach("tasks.finetune.dataset" if room == "data" else "tasks.lenet.dataset")
    assert rooms_of(stage.files | reach(f"pipeline_lib.{room}.kinds.{name}").files) == READ[kind]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_architecture_reaches_its_own_module_and_no_other_ones(entry: Entry) -> None:
    own = entry.code.module.rpartition(".")[2]
    assert rooms_of(reach(entry.code.module).files) == {
        "": "__init__",
        "files": "description",
        "images": "denoise noise prepare preprocessing",
        "models": " ".join(sorted(["architecture", "layers", own, "spec"])),
    }


def test_the_tables_have_every_stage_and_kind() -> None:
    files = [file for file in (PROJECT / "tasks").glob("*/[!_]*.py") if file.parent.name != "contract"]
    assert {f"{file.parent.name}.{file.stem}" for file in files} == set(REACHED)
    kinds = (PROJECT / "pipeline_lib").glob("*/kinds/[!_]*.py")
    assert {f"{file.parent.parent.name}.{file.stem}" for file in kinds} == set(READ)
