"""/v2: the Open Inference Protocol, version 2, so that clients of KServe and Triton work as they are.

Here is what they ask of the server and its models; tensors go through `service.routes.inference`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel

from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS
from service.errors import OF_THE_DOOR, NotReady, UnknownModel
from service.models import ServedModel
from service.parameters import engine_of
from service.problems import documented
from service.routes.health import check_alive, check_ready
from service.tensors import Datatype, Tensor

PREFIX: Final = "/v2"
TAG: Final = "open inference protocol"
PICTURE: Final = "picture"  # an input that the protocol has and the model has not: files in place of `image`
_EXTENSIONS = ["binary_tensor_data", "classification"]
_PLATFORM = "onnxruntime_onnx"
_NO_MODEL = documented(UnknownModel, *OF_THE_DOOR)

router = APIRouter(prefix=PREFIX, tags=[TAG])


class ServerMetadata(BaseModel):
    """What answers here."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """That the server lives."""

    live: bool


class Ready(BaseModel):
    """That the server, or a model, should be sent requests."""

    name: str | None = None
    ready: bool


class ModelMetadata(BaseModel):
    """A model's tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    parameters: dict[str, str]


class IndexEntry(BaseModel):
    """A model in the index of those served."""

    name: str
    version: str
    state: str
    reason: str


# --- dependencies ---------------------------------------------------------------------------------


async def read_named_model(
    request: Request,
    name: Annotated[str, Path(max_length=200, description="name or digest of a model")],
) -> ServedModel:
    """The model of the path. Raises UnknownModel where none is called so."""
    return engine_of(request).models.find(name)


async def check_version(
    model: Annotated[ServedModel, Depends(read_named_model)],
    version: Annotated[str, Path(max_length=200, description="the version of the model's bundle")],
) -> None:
    """Raises UnknownModel where the model is of another version than the path's."""
    served = model.bundle.manifest.version
    if version != served:
        raise UnknownModel(f"The version of {model.name} served here is {served}.")


VERSIONED = [Depends(check_version)]
Named = Annotated[ServedModel, Depends(read_named_model)]


# --- metadata and health --------------------------------------------------------------------------


@router.get("", response_model=ServerMetadata, responses=documented(*OF_THE_DOOR))
async def server_metadata(request: Request) -> Any:
    """The server's name, version, and the extensions of the protocol it speaks."""
    return {"name": "glyphery", "version": request.app.version, "extensions": _EXTENSIONS}


@router.get("/health/live", response_model=Live, responses=documented(NotReady))
async def server_live(request: Request) -> Any:
    """As /healthz."""
    check_alive(engine_of(request))
    return {"live": True}


@router.get(
    "/health/ready", response_model=Ready, response_model_exclude_none=True, responses=documented(NotReady)
)
async def server_ready(request: Request) -> Any:
    """As /readyz."""
    check_ready(engine_of(request))
    return {"ready": True}


@router.post("/repository/index", response_model=list[IndexEntry], responses=documented(*OF_THE_DOOR))
async def repository_index(request: Request) -> Any:
    """The models served, the default first. The body is not read: there are none but served ones."""
    engine = engine_of(request)
    state, reason = ("READY", "") if engine.ready else ("UNAVAILABLE", "The engine is not warm.")
    return [
        {"name": model.name, "version": model.bundle.manifest.version, "state": state, "reason": reason}
        for model in engine.models.all
    ]


@router.get("/models/{name}", response_model=ModelMetadata, responses=_NO_MODEL)
@router.get(
    "/models/{name}/versions/{version}",
    response_model=ModelMetadata,
    responses=_NO_MODEL,
    dependencies=VERSIONED,
    name="model_version_metadata",
)
async def model_metadata(model: Named) -> Any:
    """The tensors a model takes and gives, its version, and its bundle's digest."""
    return {
        "name": model.name,
        "versions": [model.bundle.manifest.version],
        "platform": _PLATFORM,
        "inputs": inputs_of(model),
        "outputs": outputs_of(model),
        "parameters": {"digest": model.digest},
    }


@router.get(
    "/models/{name}/ready",
    response_model=Ready,
    responses=documented(UnknownModel, NotReady, *OF_THE_DOOR),
)
@router.get(
    "/models/{name}/versions/{version}/ready",
    response_model=Ready,
    responses=documented(UnknownModel, NotReady, *OF_THE_DOOR),
    dependencies=VERSIONED,
    name="model_version_ready",
)
async def model_ready(request: Request, model: Named) -> Any:
    """Ready with the engine; a `not-ready` problem otherwise."""
    check_ready(engine_of(request))
    return {"name": model.name, "ready": True}


def inputs_of(model: ServedModel) -> list[Tensor]:
    """What a request may bring."""
    size = model.bundle.manifest.raster.size
    rasters = f"rasters as the model takes them, ink 255 on 0; or leave it out and send {PICTURE}"
    files = f"pictures as files (PNG, JPEG, ...), in JSON as base64; in place of {IMAGE}"
    metrics = "width, height, bottom and advance, em; NaN, in JSON null, where unknown; may be left out"

    def optional(name: str, datatype: Datatype, shape: list[int], description: str) -> Tensor:
        parameters = {"optional": True, "description": description}
        return Tensor(name=name, datatype=datatype, shape=shape, parameters=parameters)

    return [
        optional(IMAGE, "UINT8", [-1, 1, size, size], rasters),
        optional(METRICS, "FP32", [-1, 4], metrics),
        optional(PICTURE, "BYTES", [-1], files),
    ]


def outputs_of(model: ServedModel) -> list[Tensor]:
    """What a request may ask for."""
    manifest = model.bundle.manifest
    return [
        Tensor(name=LOGITS, datatype="FP32", shape=[-1, manifest.labels]),
        Tensor(name=EMBEDDING, datatype="FP32", shape=[-1, manifest.embedding]),
    ]
