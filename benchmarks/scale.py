"""What the work around the network costs for each image, and whether that grows with the number of images.

    .venv/bin/python benchmarks/scale.py WORK [--only PART ...] [--most 20000]

Each part runs on generated pictures, rows or results, at several sizes, in a process of its own. Prints a Markdown table:
processor seconds, the memory that the part has added, and the exponent of the growth between the two largest sizes (1.0 is
linear, 2.0 quadratic). ``WORK`` is a folder for the generated files; those of one size are used again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import say, script
from measured.scale_parts import MOST, PARTS
from places import PROJECT
from render import table


def measured(part: str, size: int, folder: Path) -> dict[str, Any]:
    """Measure a part at one size in a process of its own."""
    command = script("measured/scale_parts.py", "--work", folder, "--part", part, "--size", size)
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'benchmarks'}"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"{part} {size:,}: {row['cpu_seconds']:.2f} s of processor time, {row['mb']:.0f} MB")
    return row


def cells(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the rows of one part as the cells of a line: of the largest size, and the growth up to there."""
    last = rows[-1]
    grows = f"{growth(*rows[-2:]):.2f}" if len(rows) > 1 else ""
    per_unit = 1e6 * last["cpu_seconds"] / last["size"]
    return [last["part"], f"{last['size']:,}", f"{last['cpu_seconds']:.2f}", f"{per_unit:,.1f}", f"{last['mb']:,.0f}", grows]


def growth(smaller: dict[str, Any], larger: dict[str, Any]) -> float:
    """Return the exponent with which processor time grows."""
    return math.log(larger["cpu_seconds"] / smaller["cpu_seconds"]) / math.log(larger["size"] / smaller["size"])


def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--most", type=int, default=MOST, help="the largest size")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    sizes = {part: [size for size in PARTS[part].sizes if size <= asked.most] for part in asked.only}
    lines = [cells([measured(part, size, asked.work.absolute()) for size in sizes[part]]) for part in sizes if sizes[part]]
    print(table(("part", "size", "processor time, s", "µs each", "MB", "grows with n to the power of"), lines))


if __name__ == "__main__":
    main()
