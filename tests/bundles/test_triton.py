"""The shipped bundle behind /v2: Triton's own client classifies a glyph of a family it never saw."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from bundles import default_bundle
from glyphs.fonts import FontFile
from glyphs.labels import Label
from glyphs.raster import draw
from glyphs.shaping import labelled_glyphs
from recognition.bundle import Bundle
from service.app import create_app
from service.settings import Settings

AIN = Label.parse("1593_init")
MODEL = default_bundle().name


@pytest.fixture(scope="module")
def triton() -> Iterator[InferenceServerClient]:
    app = create_app(Settings(bundles=(default_bundle(),), executors=1))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections wait until it is served
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with InferenceServerClient(f"127.0.0.1:{listening.getsockname()[1]}") as client:
            yield client
        server.should_exit = True
        thread.join(30)


def test_a_stock_client_classifies_a_glyph(triton: InferenceServerClient, font_dir: Path) -> None:
    face = next(FontFile.read(font_dir / "arabic.ttf").faces())
    glyph = face.glyph(labelled_glyphs(face)[AIN])
    assert glyph
    raster, known = draw(glyph.outline, Bundle.load(default_bundle()).manifest.raster), glyph.metrics
    numbers = np.array([[known.width, known.height, known.bottom, known.advance]], np.float32)
    file = io.BytesIO()
    Image.fromarray(255 - raster).save(file, "PNG")

    image = InferInput("image", [1, 1, *raster.shape], "UINT8").set_data_from_numpy(raster[None, None])
    metrics = InferInput("metrics", [1, 4], "FP32").set_data_from_numpy(numbers)
    picture = InferInput("picture", [1], "BYTES").set_data_from_numpy(np.array([file.getvalue()], object))
    best = InferRequestedOutput("logits", class_count=5)
    for inputs in ([image, metrics], [picture, metrics]):
        [found] = triton.infer(MODEL, inputs, outputs=[best]).as_numpy("logits")
        probabilities, _, texts = zip(*(text.decode().split(":") for text in found), strict=True)
        assert texts[0] == str(AIN)
        assert float(probabilities[0]) > 0.5
