"""The command ``garbage serve``: a model behind HTTP."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cli.command import artifacts_option, explained, flow_option, use_artifacts
from flows.table import FLOWS
from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.sure import SURE

if TYPE_CHECKING:
    from starlette.applications import Starlette

TOKEN = "GARBAGE_TOKEN"  # noqa: S105  # the name of an environment variable
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("serve")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of a trained model.")
@click.option("--dataset", metavar="NAME|PATH", help="Name or PATH of the dataset whose model is served.")
@flow_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; all but loopback need a token.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--sure",
    default=SURE,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Least calibrated probability of an answer that is not marked as unsure.",
)
@click.option(
    "--keep-uncertain",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep photographs whose answer is not sure in a folder, for labelling.  [default: none is kept]",
)
@artifacts_option
def serve_command(
    model: Path | None,
    dataset: str | None,
    flow: str,
    host: str,
    port: int,
    sure: float,
    keep_uncertain: Path | None,
    artifacts: Path | None,
) -> None:
    """Serve a model: a page where one drops a photograph, and POST /predict for programs.

    The model is the one that predict uses. When a run replaces it, the server goes on with the new one. No photograph is kept
    unless --keep-uncertain says so. Where GARBAGE_TOKEN is set, requests need it as a bearer token.
    """
    if model and dataset:
        raise click.UsageError("--model names a folder and --dataset a dataset's model: give one of them.")
    use_artifacts(artifacts)
    messages = Console(stderr=True)
    with explained(messages):
        from cli.console import show_model
        from pipeline_lib.serving.app import Limits, build_app
        from pipeline_lib.serving.current import Current
        from pipeline_lib.serving.uncertain import Uncertain
        from pipeline_lib.stages.latest import latest_model, named_model
        from pipeline_lib.stages.store import Store

        token = os.environ.get(TOKEN)
        if host not in LOOPBACK and not token:
            raise PipelineError(f"Whoever reaches {host} could use the server; set {TOKEN} to a secret, or listen on 127.0.0.1")
        chosen = named_model(model) if model else latest_model(Store().root, flow, dataset, embedded=FLOWS[flow].embedded)
        show_model(messages, chosen)
        limits = Limits(at_once=os.cpu_count() or 1)
        uncertain = Uncertain(keep_uncertain) if keep_uncertain else None
        name = chosen.dataset or chosen.folder.name
        app = build_app(Current(chosen.folder), limits, sure=sure, name=name, token=token, uncertain=uncertain)
        _listen(app, host, port, messages)


def _listen(app: Starlette, host: str, port: int, messages: Console) -> None:
    import socket

    import uvicorn

    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it an answer's second packet waits up to 40 ms for the first one's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # whoever reads the address below may connect at once
    except OSError as error:
        listener.close()
        raise PipelineError(f"Port {port} on {host} cannot be used: {error.strerror}; give another --port") from error
    address = f"[{host}]" if ":" in host else host
    messages.print(f"serving on http://{address}:{listener.getsockname()[1]}  (Ctrl+C ends it)", highlight=False)
    with suppress(KeyboardInterrupt):  # raised again when the requests in progress have been answered
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
