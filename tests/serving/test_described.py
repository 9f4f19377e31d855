"""The description of the interfaces has every route, and every answer is what it says."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from served import serving
from starlette.routing import Route
from support import CommandLine
from waiting import PATIENCE

from pipeline_lib.serving.app import Limits, build_app
from pipeline_lib.serving.current import Current


@pytest.fixture(scope="module")
def described(server: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{server}/openapi.json", timeout=PATIENCE).json()
    return document


def check(described: dict[str, Any], path: str, method: str, answer: httpx.Response) -> None:
    """Compare an answer with what is said of it: the status, the type of the content, the schema."""
    operation = described["paths"][path][method]
    content = operation["responses"][str(answer.status_code)]["content"]
    media = answer.headers["content-type"].split(";")[0]
    schema = content[media]["schema"] | {"components": described["components"]}
    Draft202012Validator(schema).validate(answer.json() if media == "application/json" else answer.text)


def test_every_route_is_described_and_nothing_else(line: CommandLine, described: dict[str, Any]) -> None:
    (model,) = line.artifacts.glob("latest/garbage-finetune/*/model")
    app = build_app(Current(model), Limits(), sure=0.5)
    routes = [route for route in app.routes if isinstance(route, Route) and route.include_in_schema]
    methods = {route.path: {method.lower() for method in route.methods or ()} - {"head"} for route in routes}
    assert methods == {path: set(operations) for path, operations in described["paths"].items()}


def test_schemas_are_schemas(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    with_references = json.dumps(described)
    named = {part.split('"')[0] for part in with_references.split("#/components/schemas/")[1:]}
    assert named <= described["components"]["schemas"].keys()


def test_answers_are_as_described(server: str, described: dict[str, Any], photographs: list[Path]) -> None:
    files = [("a", ("a.png", photographs[0].read_bytes())), ("a", ("b.png", b"no picture"))]
    tensor = {"name": "images", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(files[0][1][1]).decode()]}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("/predict", "post", {"files": files}),
        ("/predict", "post", {"content": b""}),
        ("/predict", "post", {"content": b"x" * 32_000_001}),
        ("/v2/models/{name}/infer", "post", {"json": {"inputs": [tensor]}}),
        ("/v2/models/{name}/infer", "post", {"json": {"id": "7", "inputs": [tensor], "outputs": [{"name": "class"}]}}),
        ("/v2/models/{name}/infer", "post", {"json": {"inputs": []}}),
        *((path, "get", {}) for path, operations in described["paths"].items() if "get" in operations),
    ]
    for path, method, body in asked:
        answer = httpx.request(method, server + path.replace("{name}", "pictures"), timeout=PATIENCE, **body)
        check(described, path, method, answer)
    for path in ("/v2/models/{name}", "/v2/models/{name}/ready"):
        answer = httpx.get(server + path.replace("{name}", "another"), timeout=PATIENCE)
        assert answer.status_code == 404
        check(described, path, "get", answer)


def test_a_server_with_a_token_says_so(line: CommandLine) -> None:
    line.environment["GARBAGE_TOKEN"] = "a secret"
    try:
        with serving(line) as address:
            described = httpx.get(f"{address}/openapi.json", timeout=PATIENCE).json()
            assert described["paths"]["/predict"]["post"]["security"] == [{"bearer": []}]
            check(described, "/predict", "post", httpx.post(f"{address}/predict", content=b"x", timeout=PATIENCE))
    finally:
        del line.environment["GARBAGE_TOKEN"]
