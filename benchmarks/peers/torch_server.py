"""A server as one writes it in an afternoon: FastAPI, torchvision's transforms and MobileNetV2 in PyTorch.

Its weights are random: what it answers is worth nothing, how long it takes is what is measured.
"""

import argparse
import io

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from torch_features import torchvision

CLASSES = 26


def application() -> FastAPI:
    """Return the server: a photograph's bytes in, the probabilities of the five likeliest classes out."""
    vision = torchvision()
    from torchvision.transforms import v2  # where torchvision itself can be imported

    network = vision.models.mobilenet_v2(weights=None, num_classes=CLASSES).eval()
    steps = (v2.PILToTensor(), v2.Resize(224), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True))
    prepare = v2.Compose([*steps, v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    app = FastAPI()

    def answer(content: bytes) -> dict[str, list[float]]:
        with torch.inference_mode():
            image = prepare(Image.open(io.BytesIO(content)).convert("RGB"))
            best = network(image[None]).softmax(1)[0].topk(5)
        return {"classes": best.indices.tolist(), "probabilities": best.values.tolist()}

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, list[float]]:
        return await run_in_threadpool(answer, await request.body())

    return app


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True, help="threads of one computation")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    uvicorn.run(application(), port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
