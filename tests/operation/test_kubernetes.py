"""What `deploy/kubernetes` has: manifests as Kubernetes wants them, and a job template that Prefect takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
import yaml
from kubernetes_validate import latest_version, validate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_kubernetes.settings import KubernetesSettings
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration
from support import PROJECT, clean_environment
from waiting import PATIENCE, Api

from operation.deploy import plan

FOLDER = PROJECT / "deploy" / "kubernetes"
FILES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
MANIFESTS = [manifest for file in FILES for manifest in yaml.safe_load_all((FOLDER / file).read_text())]


def nodes(value: Any, name: str) -> Iterator[Any]:
    """Everything that has a name, at any depth."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == name:
            yield inner
        yield from nodes(inner, name)


def named(kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in MANIFESTS if each["kind"] == kind}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: f"{manifest['kind']}-{manifest['metadata']['name']}")
def test_a_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    validate(manifest, latest_version(), strict=True)


def test_every_manifest_is_applied_and_what_it_refers_to_is_there() -> None:
    template = json.loads((FOLDER / "job-template.json").read_text())
    assert {file.name for file in FOLDER.glob("*.yaml")} == {*FILES, "kustomization.yaml"}
    secrets = {(each["name"], each["key"]) for each in nodes([*MANIFESTS, template], "secretKeyRef")}
    steps = (PROJECT / "docs" / "kubernetes.md").read_text()
    assert secrets == {("garbage", key) for key in re.findall(r"--from-literal=([a-z-]+)=", steps)}
    assert {each["name"] for each in nodes([*MANIFESTS, template], "configMapRef")} == named("ConfigMap")
    assert {each["claimName"] for each in nodes([*MANIFESTS, template], "persistentVolumeClaim")} == named(
        "PersistentVolumeClaim"
    )
    assert set(nodes(MANIFESTS, "serviceAccountName")) == named("ServiceAccount")


def environment(name: str) -> dict[str, Any]:
    """The environment of a deployment's first container, without what is a secret."""
    (pod,) = [
        each["spec"]["template"]["spec"]
        for each in MANIFESTS
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", name)
    ]
    return {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}


def created_pool(prefect_api: str, home: Path) -> dict[str, Any]:
    """Run the command of the manifest that creates the work pool against a server, and return what that has of it."""
    (job,) = [each for each in MANIFESTS if each["kind"] == "Job"]
    (script,) = job["spec"]["template"]["spec"]["containers"][0]["args"]
    create, _, deploy = script.replace("\\\n", "").partition("\n")
    assert deploy.split() == ["python", "-m", "operation.deploy"]
    command = [sys.executable, "-m", *create.split()]
    env = {**clean_environment(), "PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(home)}
    subprocess.run(command, cwd=PROJECT, env=env, check=True, capture_output=True, timeout=PATIENCE)
    return dict(Api(prefect_api).get("/work_pools/garbage"))


def test_a_server_takes_the_job_template_and_the_worker_makes_a_job_of_it_without_a_password(
    prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = created_pool(prefect_api, tmp_path)
    assert pool["type"] == "kubernetes"

    for name, value in environment("worker").items():
        monkeypatch.setenv(name, value)
    worker = KubernetesSettings().worker
    assert (worker.api_auth_string_secret_name, worker.api_auth_string_secret_key) == ("garbage", "api-auth")

    variables = plan()["deployments"][0]["work_pool"]["job_variables"]

    async def configured() -> KubernetesWorkerJobConfiguration:
        made = await KubernetesWorkerJobConfiguration.from_template_and_values(pool["base_job_template"], variables)
        made.prepare_for_flow_run(FlowRun(id=uuid4(), name="run", flow_id=uuid4()))
        return made

    with temporary_settings({PREFECT_API_URL: prefect_api}):  # else Prefect starts a server of its own
        job = anyio.run(configured).job_manifest
    validate(job, latest_version())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["prefect", "flow-run", "execute"]  # as a pool of processes does
    assert container["volumeMounts"] == [{"name": "results", "mountPath": "/results"}]
    assert {each["name"] for each in container["env"]} >= variables["env"].keys()
    assert job["metadata"]["namespace"] in named("Namespace")
