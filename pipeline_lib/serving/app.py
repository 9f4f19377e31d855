"""The application that serves a model over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline_lib.data.chinese import BINS, CLASSES
from pipeline_lib.errors import PipelineError
from pipeline_lib.prediction.predict import predict_files
from pipeline_lib.serving.current import Current, Served
from pipeline_lib.serving.inference import Picture, Probabilities, answered, described, pictures_of
from pipeline_lib.serving.openapi import openapi
from pipeline_lib.serving.uncertain import Uncertain
from pipeline_lib.serving.uploads import Upload, body_of, uploads_of
from pipeline_lib.web.pages import DOCS, FOLDER, SERVED, STYLE, page

TOP = 5
"""Classes of an answer, the likeliest first."""


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        max_bytes: Most bytes of a request.
        max_megapixels: Largest photograph that is decoded.
        at_once: Requests that are computed at once.
        waiting: Requests that may wait beside these; one more is refused.
        seconds: Time after which a request is given up.
    """

    max_bytes: int = 32_000_000
    max_megapixels: float = 50.0
    at_once: int = 2
    waiting: int = 64
    seconds: float = 30.0


class Service:
    """What the routes do.

    Args:
        current: The model.
        limits: What is taken.
        sure: Least probability of an answer that counts as sure, 0..1.
        name: What the model is called by programs.
        token: What a request must send as its bearer token; None lets everyone ask.
        uncertain: Keeps photographs whose answer is not sure; None keeps none.
    """

    def __init__(
        self, current: Current, limits: Limits, sure: float, name: str, token: str | None, uncertain: Uncertain | None
    ) -> None:
        self._current, self._limits, self._sure, self._name, self._token = current, limits, sure, name, token
        self._uncertain = uncertain
        self._threads, self._present = anyio.CapacityLimiter(limits.at_once), 0
        self.registry = CollectorRegistry()
        self._requests = Counter("garbage_requests", "Requests by status.", ["status"], registry=self.registry)
        self._photographs = Counter("garbage_photographs", "Photographs by result.", ["result"], registry=self.registry)
        self._seconds = Histogram("garbage_request_seconds", "Time of an answered request.", registry=self.registry)

    async def predict(self, request: Request) -> Response:
        """Classify the photographs of a request; one that cannot be read is an error in its row."""
        return await self._limited(request, self._answer)

    async def infer(self, request: Request) -> Response:
        """Answer a request of the Open Inference Protocol."""
        return await self._limited(request, self._infer)

    async def _limited(self, request: Request, answer: Callable[[Request], Awaitable[dict[str, Any]]]) -> Response:
        """Answer a request if there is room for it, and count it."""
        try:
            self._check_token(request)
            if self._present >= self._limits.at_once + self._limits.waiting:
                raise HTTPException(503, "Too many requests are waiting; try again in a second", {"Retry-After": "1"})
            self._present += 1
            try:
                with self._seconds.time(), anyio.fail_after(self._limits.seconds):
                    answered = await answer(request)
            except TimeoutError:
                raise HTTPException(503, f"It took longer than {self._limits.seconds:g} s", {"Retry-After": "5"}) from None
            finally:
                self._present -= 1
        except HTTPException as refused:
            self._requests.labels(refused.status_code).inc()
            raise
        self._requests.labels(200).inc()
        return JSONResponse(answered)

    async def _answer(self, request: Request) -> dict[str, Any]:
        uploads = await uploads_of(request, self._limits.max_bytes)
        served = await self._served()
        rows: list[dict[str, Any]] = []
        for at in range(0, len(uploads), served.model.batch):
            rows += await self._run(partial(self._classify, served, uploads[at : at + served.model.batch]))
        for row in rows:
            self._photographs.labels("error" if "error" in row else "sure" if row["sure"] else "unsure").inc()
        return {"model": served.digest, "photographs": rows}

    async def _infer(self, request: Request) -> dict[str, Any]:
        self._check_name(request)
        body = await body_of(request, self._limits.max_bytes)
        asked, pictures = await self._run(partial(pictures_of, body, self._limits.max_megapixels))
        served = await self._served()
        batches = [pictures[at : at + served.model.batch] for at in range(0, len(pictures), served.model.batch)]
        answers = [await self._run(partial(_probabilities, served, batch)) for batch in batches]
        self._photographs.labels("tensor").inc(len(pictures))
        return answered(asked, self._name, served.digest, served.model.classes, answers)

    async def _served(self) -> Served:
        """Return the model to be used now; 503, with the reason, if what has replaced it cannot be loaded."""
        try:
            served: Served = await self._run(self._current.get)
        except PipelineError as error:
            raise HTTPException(503, str(error)) from error
        return served

    async def _run(self, compute: Callable[[], Any]) -> Any:
        return await run_sync(compute, limiter=self._threads, abandon_on_cancel=True)

    def _classify(self, served: Served, uploads: list[Upload]) -> list[dict[str, Any]]:
        rows = predict_files(uploads, served.model, TOP, self._limits.max_megapixels)
        judged = [row if "error" in row else {**row, "sure": row["probability"] >= self._sure} for row in rows]
        if self._uncertain:
            self._uncertain.keep(uploads, judged, served.digest)
        return judged

    def _check_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._token and not secrets.compare_digest(given.encode(), self._token.encode()):
            raise HTTPException(401, "Send the server's token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})

    async def ready(self, request: Request) -> Response:
        """Say which model would answer now; 503 if it cannot be loaded."""
        served = await self._served()
        return JSONResponse({"model": served.digest, "classes": list(served.model.classes)})

    async def model(self, request: Request) -> Response:
        """Describe the model's inputs and outputs, as the Open Inference Protocol does."""
        self._check_name(request)
        served = await self._served()
        return JSONResponse(described(self._name, served.digest, served.model.classes))

    async def model_ready(self, request: Request) -> Response:
        """Say whether the model would answer now; 503 if it cannot be loaded."""
        self._check_name(request)
        await self._served()
        return JSONResponse({"name": self._name, "ready": True})

    def _check_name(self, request: Request) -> None:
        if request.path_params["name"] != self._name:
            raise HTTPException(404, f"There is no model of this name; the one that is served is {self._name}")

    async def page_texts(self, request: Request) -> Response:
        """Return what the page needs to know: the Chinese names, and whether photographs are kept."""
        classes = {name.casefold(): chinese for name, chinese in CLASSES.items()}
        return JSONResponse({"classes": classes, "bins": BINS, "keeps": self._uncertain is not None})

    async def metrics(self, request: Request) -> Response:
        """Return counts and times in the format of Prometheus."""
        return Response(generate_latest(self.registry), media_type="text/plain; version=0.0.4")


def _probabilities(served: Served, pictures: list[Picture]) -> Probabilities:
    return served.model.answers([picture() for picture in pictures]).probabilities


async def _live(request: Request) -> Response:
    return PlainTextResponse("live")


async def _page(request: Request) -> Response:
    return HTMLResponse(page(SERVED))


def _file(name: str) -> Route:
    """Return the route of a file that the page consists of."""

    async def answer(request: Request) -> Response:
        return FileResponse(FOLDER / name)

    return Route(f"/{name}", answer, include_in_schema=False)


async def _docs(request: Request) -> Response:
    return FileResponse(FOLDER / DOCS, media_type="text/html")


async def _refused(request: Request, error: Exception) -> Response:
    """Answer in one sentence, in the same form whatever is wrong."""
    refused = error if isinstance(error, HTTPException) else HTTPException(500, "The server failed; its log says why")
    return JSONResponse({"error": refused.detail}, refused.status_code, refused.headers)


def build_app(
    current: Current,
    limits: Limits,
    *,
    sure: float,
    name: str = "model",
    token: str | None = None,
    uncertain: Uncertain | None = None,
) -> Starlette:
    """Return the application; see ``Service`` for the arguments.

    ``POST /predict`` classifies, ``GET /`` is a page for people, ``/v2/...`` is the Open Inference Protocol, ``/metrics`` is
    for Prometheus, and ``/openapi.json`` describes all of it.
    """
    described = openapi(token=bool(token))
    service = Service(current, limits, sure, name, token, uncertain)
    routes = [
        Route("/", _page),
        *(_file(name) for name in (STYLE, *SERVED)),
        Route("/page.json", service.page_texts),
        Route("/predict", service.predict, methods=["POST"]),
        Route("/v2/health/live", _live),
        Route("/v2/health/ready", service.ready),
        Route("/v2/models/{name}", service.model),
        Route("/v2/models/{name}/ready", service.model_ready),
        Route("/v2/models/{name}/infer", service.infer, methods=["POST"]),
        Route("/metrics", service.metrics),
        Route("/docs", _docs),
        Route("/openapi.json", lambda request: JSONResponse(described)),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused, 500: _refused})
