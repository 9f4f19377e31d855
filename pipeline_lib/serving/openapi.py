"""The description of the server's interfaces, OpenAPI 3.1: what ``/openapi.json`` answers, and ``/docs`` shows."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline_lib.serving.answers import Inferred, ModelMetadata, ModelReady, PageTexts, Predicted, Ready, Refused
from pipeline_lib.serving.inference import Asked

Schema = dict[str, Any]

_REFUSALS = {
    400: "The request cannot be read",
    401: "The server's token is missing",
    404: "There is no model of this name",
    413: "The request is too large",
    503: "There is no room, it took too long, or the model cannot be loaded",
}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Name of the model."}


def openapi(*, token: bool) -> Schema:
    """Return the description of every route.

    Args:
        token: Whether photographs are answered for those alone who send a token.
    """
    asking: Schema = {"security": [{"bearer": []}]} if token else {}
    refused = (400, 413, 503) + ((401,) if token else ())
    named: Schema = {"parameters": [_NAME]}
    paths = {
        "/predict": {"post": _operation("Classify photographs", Predicted, refused) | _photographs() | asking},
        "/v2/health/live": {"get": _text("Whether the process lives", "text/plain")},
        "/v2/health/ready": {"get": _operation("Which model would answer", Ready, (503,))},
        "/v2/models/{name}": {"get": _operation("Inputs and outputs of the model", ModelMetadata, (404, 503)) | named},
        "/v2/models/{name}/ready": {"get": _operation("Whether the model would answer", ModelReady, (404, 503)) | named},
        "/v2/models/{name}/infer": {
            "post": _operation("Open Inference Protocol, version 2", Inferred, (*refused, 404)) | named | _tensors() | asking
        },
        "/metrics": {"get": _text("Counts and times for Prometheus", "text/plain")},
        "/page.json": {"get": _operation("What the page needs to know", PageTexts, ())},
        "/": {"get": _text("The page for people", "text/html")},
        "/docs": {"get": _text("This description, for people", "text/html")},
        "/openapi.json": {"get": _text("This description", "application/json", {"type": "object"})},
    }
    models = (Predicted, Refused, Ready, PageTexts, ModelMetadata, ModelReady, Inferred)
    _, schemas = models_json_schema(
        [*((model, "serialization") for model in models), (Asked, "validation")], ref_template="#/components/schemas/{model}"
    )
    components: Schema = {"schemas": schemas["$defs"]}
    if token:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {"openapi": "3.1.0", "info": {"title": "A classifier of photographs", "version": "1"}, "paths": paths} | {
        "components": components
    }


def _operation(summary: str, answer: type[BaseModel], refusals: tuple[int, ...]) -> Schema:
    responses = {"200": {"description": "Answered", "content": _json(answer)}}
    responses |= {f"{code}": {"description": _REFUSALS[code], "content": _json(Refused)} for code in sorted(refusals)}
    return {"summary": summary, "responses": responses}


def _text(summary: str, media: str, schema: Schema | None = None) -> Schema:
    content = {media: {"schema": schema or {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": "Answered", "content": content}}}


def _json(model: type[BaseModel]) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _photographs() -> Schema:
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "additionalProperties": {"type": "array", "items": file}}
    content = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": file}}
    words = "Files of a form under any name, or one photograph as the body, whatever its content type."
    return {"requestBody": {"required": True, "description": words, "content": content}}


def _tensors() -> Schema:
    words = "One input `images`: BYTES of shape [n], files of images in base64, or UINT8 of shape [n, height, width, 3]."
    return {"requestBody": {"required": True, "description": words, "content": _json(Asked)}}
