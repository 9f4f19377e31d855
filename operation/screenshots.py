"""Take the screenshots of docs/operating.md: the last run of garbage-finetune in the Prefect UI, and each stage's artifact.

    python operation/screenshots.py http://127.0.0.1:4200

Needs the development environment, and Chromium from the distribution.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import click
import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs" / "images"
HEIGHTS = {"audit": 1300, "data-new": 1100, "train": 1300, "evaluate": 1300}  # pixels


@click.command()
@click.argument("server")
def main(server: str) -> None:
    """Take pictures of the last finished run of a deployment on SERVER, such as http://127.0.0.1:4200."""
    wanted = {"flows": {"name": {"any_": ["garbage-finetune"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    run = httpx.post(f"{server}/api/flow_runs/filter", json={**wanted, "sort": "END_TIME_DESC", "limit": 1}).json()[0]
    of_the_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    artifacts = httpx.post(f"{server}/api/artifacts/filter", json=of_the_run).json()
    stages = {artifact["key"].removeprefix("garbage-finetune-"): artifact["id"] for artifact in artifacts}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        photograph(page, f"{server}/runs/flow-run/{run['id']}", "run", 900)
        photograph(page, f"{server}/deployments/deployment/{run['deployment_id']}/run", "form", 1000)
        for stage, height in HEIGHTS.items():
            photograph(page, f"{server}/artifacts/artifact/{stages[stage]}", stage, height)
        browser.close()


def photograph(page: Page, address: str, name: str, height: int) -> None:
    """Save what is at an address as ``docs/images/ui-<name>.jpg``."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(FOLDER / f"ui-{name}.jpg", quality=80, optimize=True)


if __name__ == "__main__":
    main()
