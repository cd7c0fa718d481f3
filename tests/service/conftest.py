"""A small but real bundle, and real servers on free ports that serve it.

The bundle's model is an ONNX graph made here: it averages the raster down to 8 x 8, projects that
and the metrics at random to an embedding, and compares it with one embedding a label. The labels'
shapes are stars painted with Pillow; O and o, and the A's of three scripts, share theirs.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from fastapi import FastAPI
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from tritonclient.http import InferenceServerClient

from glyphs.equivalence import Equivalence, Evidence
from glyphs.labels import Label
from glyphs.picture import PictureLimits, read_picture
from glyphs.raster import RasterSettings
from index.pictures import Pictures, small_picture
from index.references import References
from index.search import ReferenceIndex
from recognition.bundle import EQUIVALENCE, LABELS, MODEL, PROTOTYPES, Bundle, Manifest, seal
from recognition.recogniser import Recogniser
from service.app import create_app
from service.connections import connection_class
from service.engine import Engine
from service.models import Models
from service.settings import Settings

# label -> number of families with it, height in em
KNOWN = {
    "65": (40, 0.7), "79": (40, 0.7), "98": (30, 0.7), "111": (40, 0.5), "913": (20, 0.7), "1040": (1, 0.7),
    "1593_isol": (4, 0.6), "1593_init": (4, 0.6), "1593_medi": (4, 0.6), "1608_isol": (4, 0.6),
}  # fmt: skip
LOOKS_LIKE = {"913": "65", "1040": "65", "111": "79"}
FAMILIES = ("Amiri", "Noto Sans", "Vollkorn")
Metrics = tuple[float, float, float, float]


def star(label: str, variant: int = 0) -> Image.Image:
    """The label's shape, dark on white; variants differ a little."""
    look = LOOKS_LIKE.get(label, label)
    rng = np.random.default_rng(list(look.encode()))
    radii = rng.uniform(15, 90, 9) + np.random.default_rng(variant).uniform(-3, 3, 9) * (variant > 0)
    image = Image.new("L", (200, 200), 255)
    points = [
        (100 + r * math.cos(i * math.tau / 9), 100 + r * math.sin(i * math.tau / 9))
        for i, r in enumerate(radii)
    ]
    ImageDraw.Draw(image).polygon(points, fill=0)
    return image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def raster_of(image: Image.Image) -> np.ndarray:
    return read_picture(encoded(image), RasterSettings(), PictureLimits())


def graph(prototypes: np.ndarray) -> onnx.ModelProto:
    """prototypes: (L, 128), the embedding each label is compared with."""
    rng = np.random.default_rng(7)
    constants = {
        "black": np.array(255.0, np.float32),
        "half": np.array(0.5, np.float32),
        "nothing": np.array(0.0, np.float32),
        "projection": np.concatenate([rng.normal(size=(64, 128)), 4 * rng.normal(size=(4, 128))]).astype(
            "f4"
        ),
        "bias": rng.normal(size=128).astype(np.float32),
        "axis": np.array([1], np.int64),
        "prototypes": (prototypes.T * 30).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Div", ["flat", "black"], ["unit"]),
        helper.make_node("Sub", ["unit", "half"], ["centred"]),
        helper.make_node("IsNaN", ["metrics"], ["unknown"]),
        helper.make_node("Where", ["unknown", "nothing", "metrics"], ["known"]),
        helper.make_node("Concat", ["centred", "known"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "projection"], ["projected"]),
        helper.make_node("Add", ["projected", "bias"], ["direction"]),
        helper.make_node("ReduceL2", ["direction", "axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["direction", "length"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "prototypes"], ["logits"]),
    ]
    made = helper.make_graph(
        nodes,
        "stars",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 1, 128, 128]),
            helper.make_tensor_value_info("metrics", TensorProto.FLOAT, ["N", 4]),
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(prototypes)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 128]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def bundle_without_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "stars_plain"
    folder.mkdir()
    rows = [[label, families] for label, (families, _) in KNOWN.items()]
    (folder / LABELS).write_text(json.dumps({"labels": rows}), encoding="utf-8")
    pairs = [
        Evidence(*sorted((Label.parse(a), Label.parse(b))), "outlines", 9, 9) for a, b in LOOKS_LIKE.items()
    ]
    (folder / EQUIVALENCE).write_text(Equivalence(pairs).to_json(), encoding="utf-8")
    manifest = Manifest(
        name="stars",
        version="1.0",
        raster=RasterSettings(),
        embedding=128,
        labels=len(KNOWN),
        known_threshold=0.6,
        quality={"top_1": 0.5},
    )
    rasters = np.stack([raster_of(star(label)) for label in KNOWN])
    heights = np.array([[np.nan, height, np.nan, np.nan] for _, height in KNOWN.values()], np.float32)
    nothing = np.zeros((len(KNOWN), 128), np.float16)
    onnx.save(graph(nothing), folder / MODEL)
    np.save(folder / PROTOTYPES, nothing)
    seal(folder, manifest)
    prototypes = Recogniser(Bundle.load(folder)).answer(rasters, heights).embeddings
    onnx.save(graph(prototypes), folder / MODEL)
    np.save(folder / PROTOTYPES, prototypes.astype(np.float16))
    seal(folder, manifest)
    return folder


@pytest.fixture(scope="session")
def bundle(bundle_without_index: Path) -> Path:
    """The bundle with three references of each label."""
    folder = bundle_without_index.with_name("stars")
    shutil.copytree(bundle_without_index, folder)
    plain = Bundle.load(folder)
    rows = [(label, family, i) for label in KNOWN for i, family in enumerate(FAMILIES)]
    rasters = np.stack([raster_of(star(label, variant)) for label, _, variant in rows])
    heights = np.array([[np.nan, KNOWN[label][1], np.nan, np.nan] for label, _, _ in rows], np.float32)
    references = References(
        [Label.parse(label) for label, _, _ in rows],
        [family for _, family, _ in rows],
        ["Regular"] * len(rows),
        Pictures.of(map(small_picture, rasters)),
    )
    embeddings = Recogniser(plain).answer(rasters, heights).embeddings
    ReferenceIndex.build(embeddings, references).save(folder)
    seal(folder, plain.manifest)
    return folder


@pytest.fixture(scope="session")
def broken_bundle(bundle_without_index: Path) -> Path:
    """A bundle that loads, with a model that fails on every picture: it insists on three at once."""
    folder = bundle_without_index.with_name("broken")
    shutil.copytree(bundle_without_index, folder)
    model = onnx.load(folder / MODEL)
    [flatten] = [node for node in model.graph.node if node.op_type == "Flatten"]
    flatten.op_type = "Reshape"
    flatten.input.append("three")
    model.graph.initializer.append(numpy_helper.from_array(np.array([3, 64], np.int64), "three"))
    onnx.save(model, folder / MODEL)
    seal(folder, Bundle.load(bundle_without_index).manifest)
    return folder


@pytest.fixture(scope="session")
def naming_bundle(bundle: Path) -> Path:
    """The bundle with a model that names a primitive in each of its 8 x 8 cells: how much ink is there."""
    folder = bundle.with_name("naming")
    shutil.copytree(bundle, folder)
    model = onnx.load(folder / MODEL)
    axis = numpy_helper.from_array(np.array([1], np.int64), "channel")
    model.graph.initializer.append(axis)
    model.graph.node.extend(
        [
            helper.make_node("Squeeze", ["cells", "channel"], ["levels"]),
            helper.make_node("Cast", ["levels"], ["primitives"], to=TensorProto.INT64),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("primitives", TensorProto.INT64, ["N", 8, 8]))
    onnx.checker.check_model(model)
    onnx.save(model, folder / MODEL)
    seal(folder, replace(Bundle.load(bundle).manifest, name="naming"))
    return folder


@dataclass
class Running:
    """A server at work, with its app for the tests that need to look inside."""

    url: str
    port: int
    app: FastAPI
    loop: asyncio.AbstractEventLoop
    client: httpx.Client

    @property
    def engine(self) -> Engine:
        return self.app.state.engine


@contextmanager
def _running(app: FastAPI, wait: bool = True, port: int = 0, drain: int | None = None) -> Iterator[Running]:
    http = connection_class(app.state.settings.max_header_seconds)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=http,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=drain,
        )
    )
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server may come back to its port
    listening.bind(("127.0.0.1", port))
    port = listening.getsockname()[1]
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve(sockets=[listening])

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            until = time.monotonic() + 120
            while not server.started or (wait and not app.state.engine.ready):
                assert thread.is_alive(), "the server did not start"
                assert time.monotonic() < until, "the server did not become ready"
                time.sleep(0.005)
            yield Running(url, port, app, loops[0], client)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


@pytest.fixture
def cold(bundle: Path) -> Callable[[], AbstractAsyncContextManager[tuple[httpx.AsyncClient, Engine]]]:
    """Gives a client of a service whose engine is not warm yet, and the engine."""

    @asynccontextmanager
    async def start() -> AsyncIterator[tuple[httpx.AsyncClient, Engine]]:
        settings = Settings(bundles=[bundle], executors=1)
        app = create_app(settings)
        engine = app.state.engine = Engine(Models.load([bundle]), settings)  # as the lifespan does
        transport = httpx.ASGITransport(app)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://glyphery") as client:
                yield client, engine
        finally:
            engine.close()

    return start


Serve = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def serve(bundle: Path) -> Serve:
    """Gives servers with other settings, on a free port unless told; `wait=False` meets one not ready yet."""

    def start(
        app: FastAPI | None = None,
        *,
        wait: bool = True,
        port: int = 0,
        drain: int | None = None,
        **given: object,
    ) -> AbstractContextManager[Running]:
        settings = Settings(**{"bundles": [bundle], "executors": 2, "job_nice": 0, **given})  # type: ignore[arg-type]
        return _running(app or create_app(settings), wait, port, drain)

    return start


@pytest.fixture(scope="session")
def server(serve: Serve) -> Iterator[Running]:
    """A server with default limits."""
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Running) -> httpx.Client:
    return server.client


@contextmanager
def triton_of(running: Running) -> Iterator[InferenceServerClient]:
    """Triton's own client of a running service."""
    with InferenceServerClient(f"127.0.0.1:{running.port}") as client:
        yield client


@pytest.fixture(scope="module")
def triton(server: Running) -> Iterator[InferenceServerClient]:
    with triton_of(server) as client:
        yield client


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A label's shape as the bytes of a file: `picture(label, variant=0, kind="PNG")`."""
    return lambda label, variant=0, kind="PNG": encoded(star(label, variant), kind)


@pytest.fixture(scope="session")
def is_problem() -> Callable[[httpx.Response, int, str], dict]:
    """Check that an answer is a problem document of this status and type; gives the document."""

    def check(response: httpx.Response, status: int, name: str) -> dict:
        document = response.json()
        assert (response.status_code, document["type"]) == (status, f"urn:glyphery:problem:{name}"), (
            response.text
        )
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert document["status"] == status
        assert document["title"]
        assert document["detail"]
        return document

    return check
