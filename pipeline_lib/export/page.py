"""The page beside an export, for whoever is handed the folder: what the files are, how they were compared, how to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.export.examples import EXAMPLES
from pipeline_lib.web.runtime import VERSION

_USE = """\
```python
import json
import numpy as np, onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("{file}")
picture = ImageOps.exif_transpose(Image.open("bin.jpg")).convert("RGB")
probabilities = session.run(["probabilities"], {{"images": np.asarray(picture)[None]}})[0][0]
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print(classes[probabilities.argmax()], probabilities.max())
```

`images` is uint8 (1, height, width, 3): red, green and blue of one upright picture of any size. The file crops and scales
it, estimates and removes its noise, and gives `probabilities`, float32 (1, classes), calibrated. Classes, bins and their
Chinese names, the digest of the model and its preprocessing are in the file's metadata.
"""

_INT8 = """\
`model-int8.onnx` was compared on a processor with instructions for products of 8 bits. On one without them (VNNI on Intel
and AMD) onnxruntime's sums may saturate: compare it there before you rely on it. Its head was trained on the features of
its own backbone. Out of fold: heads on either backbone's features, each trained without the photographs that it answers.
"""

_MINDIR = """\
`model.mindir` takes what the model's preprocessing makes of a picture, float32 (1, 3, size, size), and the level of its
noise, float32 (1, 1). It was loaded and compared in MindSpore. MindSpore Lite, which reads the same format, was not tried:
it has no package for this platform. Two exports of one model differ in the names inside the file.
"""

_PAGE = """\
`page/index.html` opens by a double click, or from any web server that has the folder. Nothing is fetched from elsewhere, and
no photograph leaves the browser. [onnxruntime-web](https://onnxruntime.ai/docs/tutorials/web/) {version} (MIT licence) runs
the model, on one thread. The comparison above has read graph and head out of the page and asked them in onnxruntime; a browser
decodes photographs by itself, which moves a probability by less than 0.01.

Where photographs of train were at hand, the page learns: the features of {examples} photographs of each class are in it. What
a person has taught is downloaded as `patch.zip`; `garbage ingest patch.zip --dataset PATH` puts it into the dataset.
"""

_VIEWS = """\
clean: as they are; noisy: with noise of 25 of 255; scaled: stretched, so that the file has to crop and scale them. Same
class: the share of photographs whose likeliest class is the model's. Accuracies are those of the labels as delivered, with
95 % intervals over sources.
"""


def readme(described: Mapping[str, Any]) -> str:
    """Return the page, Markdown, of what ``export.describe`` returns."""
    files = described["files"]
    of = f" of the dataset {described['dataset']}" if described["dataset"] else ""
    parts = [f"# A model{of}\n", f"Digest of the model: `{described['model']}`\n", _files(files)]
    compared = [file for file in files if file["validation"]]
    if compared:
        count = compared[0]["validation"]["views"][0]["photographs"]
        parts += ["## Compared with the model\n", f"On {count} {described['photographs']}.\n", _comparison(compared), _VIEWS]
    graphs = [file["file"] for file in files if file["file"].endswith(".onnx")]
    parts += ["## Use\n", _USE.format(file=graphs[0])] if graphs else []
    parts += [_INT8] if any(file["format"] == "int8" for file in files) else []
    parts += [_PAGE.format(version=VERSION, examples=EXAMPLES)] if any(file["format"] == "page" for file in files) else []
    parts += [_MINDIR] if any(file["format"] == "mindir" for file in files) else []
    return "\n".join(parts)


def _files(files: list[dict[str, Any]]) -> str:
    rows = [f"| `{file['file']}` | {file['what']} | {file['bytes']:,} | `{file['sha256']}` |" for file in files]
    return "\n".join(["| file | what it is | bytes | sha256 |", "|---|---|---|---|", *rows, ""])


def _comparison(files: list[dict[str, Any]]) -> str:
    head = "| file | photographs | same class | largest difference of a probability | accuracy | the model's | ms |"
    rows = [
        f"| `{file['file']}` | {view['photographs']:,} {view['view']} | {view['agreement']:.3f} | {view['difference']:.2g} | "
        f"{share(view['export'])} | {share(view['model'])} | {file['validation']['milliseconds']} |"
        for file in files
        for view in (*file["validation"]["views"], *file["validation"]["held_out"])
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows, ""])


def share(measured: Mapping[str, float] | None) -> str:
    """Return a share with its interval in words; empty where it is not known."""
    return f"{measured['value']:.3f} ({measured['low']:.3f} to {measured['high']:.3f})" if measured else ""
