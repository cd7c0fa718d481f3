"""/v2/.../infer: tensors in, tensors out, by the Open Inference Protocol, version 2.

A request's glyphs go through the engine in pieces of at most a batch. One piece is interactive work;
of more, a few at a time stand behind whatever is.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Header, Request, Response
from numpy.typing import NDArray

from glyphs.errors import BadLabel, BadPicture
from glyphs.picture import PictureLimits, read_picture
from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS
from recognition.candidates import NoCandidates
from recognition.recogniser import Answers
from service.errors import BodyTooLarge, InvalidRequest, TooManyItems, UnknownModel
from service.models import Context, ServedModel
from service.parameters import engine_of, settings_of
from service.problems import documented
from service.reading import PICTURE_PROBLEMS, from_base64, read_body
from service.routes.protocol import PICTURE, PREFIX, TAG, VERSIONED, Named, inputs_of
from service.settings import Settings
from service.tensors import (
    LENGTH_HEADER,
    Array,
    Datatype,
    InferenceRequest,
    Output,
    RequestOutput,
    read_request,
    to_binary,
    to_json,
    write_response,
)
from service.waiting import Inputs

# In em, as everywhere: width, height and advance are not negative.
_LEAST, _MOST = np.array((0, 0, -64, 0), np.float32), np.float32(64)
Encoded = tuple[int, bytes]  # some rows of an output: how long each is, and their elements
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **documented(*PICTURE_PROBLEMS, BadLabel, NoCandidates, TooManyItems, UnknownModel),
    200: {
        "description": "The outputs; in binary behind the JSON where that was asked for",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferenceResponse"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
}

router = APIRouter(prefix=PREFIX, tags=[TAG])


@router.post(
    "/models/{name}/infer",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=_BODY,
    summary="Tensors in, tensors out",
)
@router.post(
    "/models/{name}/versions/{version}/infer",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=_BODY,
    dependencies=VERSIONED,
    name="version_infer",
    summary="Tensors in, tensors out",
)
async def infer(
    request: Request,
    model: Named,
    json_length: Annotated[int | None, Header(alias=LENGTH_HEADER, ge=0)] = None,
) -> Response:
    """Logits and embeddings of rasters, or of pictures. With the output parameter `classification` an
    answer to `logits` is, for each glyph, the best labels as texts `probability:place:label`.
    """
    engine, settings = engine_of(request), settings_of(request)
    # No more JSON than elsewhere: the interpreter does nothing else while it is parsed.
    if (json_length or 0) > settings.max_body_bytes:
        raise BodyTooLarge(settings.max_body_bytes)
    limit = settings.max_body_bytes if json_length is None else settings.max_tensor_bytes
    body = await read_body(request, limit, settings.max_upload_seconds)
    began = time.monotonic()
    asked, glyphs = await asyncio.to_thread(_read, body, json_length, model, settings)
    given = asked.parameters
    context = given.context
    wanted = _wanted(asked, context, settings.max_k)

    def finish(answers: Answers) -> list[Encoded]:
        return [output.of(model, answers) for output in wanted]

    patience = given.timeout / 1e6 or math.inf
    most = max(1, min(settings.max_batch, settings.max_waiting))  # or it would never be let in
    if len(glyphs) <= most:
        deadline = began + min(patience, settings.timeout)
        prepare = partial(glyphs.prepare, 0, len(glyphs))
        rows = [await engine.answer(model, prepare, finish, deadline=deadline, glyphs=len(glyphs))]
    else:
        rows = await engine.answer_in_pieces(
            model, glyphs.prepare, finish, glyphs=len(glyphs), deadline=began + patience
        )
    return _response(model, asked, wanted, rows, len(glyphs))


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """The glyphs of a request: rasters, (N, 1, S, S), or files of pictures, (N,); and metrics, (N, 4)."""

    rasters: Array | None
    pictures: Array | None
    metrics: Array
    limits: PictureLimits

    def __len__(self) -> int:
        return len(self.metrics)

    def prepare(self, start: int, stop: int, model: ServedModel) -> Inputs:
        """Some of them, as the model takes them. Raises BadPicture."""
        metrics = self.metrics[start:stop]
        if self.rasters is not None:
            return self.rasters[start:stop, 0], metrics
        assert self.pictures is not None
        return np.stack([self._raster(number, model) for number in range(start, stop)]), metrics

    def _raster(self, number: int, model: ServedModel) -> NDArray[np.uint8]:
        assert self.pictures is not None
        try:
            return read_picture(self.pictures[number], model.bundle.manifest.raster, self.limits)
        except BadPicture as error:
            error.message = f"{PICTURE} {number}: {error.message}"
            raise


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An output as it shall be answered; classes: how many labels in its place, 0 for none."""

    name: str
    binary: bool
    classes: int
    context: Context

    @property
    def datatype(self) -> Datatype:
        return "BYTES" if self.classes else "FP32"

    def of(self, model: ServedModel, answers: Answers) -> Encoded:
        """Raises NoCandidates."""
        array = self._array(model, answers)
        return array.shape[1], to_binary(array) if self.binary else to_json(array)

    def _array(self, model: ServedModel, answers: Answers) -> Array:
        if not self.classes:
            return answers.logits if self.name == LOGITS else answers.embeddings
        places, probabilities = model.candidates(self.context).best(answers.logits, self.classes)
        texts = np.empty(places.shape, object)
        for spot, place in np.ndenumerate(places):
            texts[spot] = f"{probabilities[spot]:.6f}:{place}:{model.bundle.labels[place]}".encode()
        return texts


def _read(
    body: bytes, json_length: int | None, model: ServedModel, settings: Settings
) -> tuple[InferenceRequest, _Glyphs]:
    """Raises BadRequest in one of its kinds."""
    asked, tensors = read_request(body, json_length, inputs_of(model), settings.max_tensor_glyphs)
    rasters, pictures, metrics = (tensors.get(name) for name in (IMAGE, PICTURE, METRICS))
    glyphs = rasters if pictures is None else pictures
    if glyphs is None or (rasters is not None and pictures is not None):
        raise _invalid("inputs", f"Either {IMAGE} or {PICTURE} is needed")
    if metrics is None:
        metrics = np.full((len(glyphs), 4), np.nan, np.float32)
    if len(metrics) != len(glyphs):
        raise _invalid("inputs", f"{METRICS} are of {len(metrics)} glyphs, where there are {len(glyphs)}")
    if not np.all(np.isnan(metrics) | ((metrics >= _LEAST) & (metrics <= _MOST))):
        raise _invalid("inputs", f"{METRICS} are in em, from {_LEAST.tolist()} to {_MOST}, or NaN")
    if any(given.name == PICTURE and given.data is not None for given in asked.inputs):
        try:
            pictures = np.array([from_base64(text) for text in glyphs], object)
        except ValueError:
            raise _invalid("inputs", f"{PICTURE} in JSON is base64") from None
    return asked, _Glyphs(rasters, pictures, metrics, settings.picture_limits)


def _wanted(asked: InferenceRequest, context: Context, max_k: int) -> list[_Wanted]:
    """Raises InvalidRequest."""
    outputs = asked.outputs or [RequestOutput(name=name) for name in (LOGITS, EMBEDDING)]
    names = [output.name for output in outputs]
    if not set(names) <= {LOGITS, EMBEDDING} or len(set(names)) < len(names):
        raise _invalid(
            "outputs", f"The outputs of this model are {LOGITS} and {EMBEDDING}, each at most once"
        )
    wanted = []
    for output in outputs:
        binary, classes = output.parameters.binary_data, output.parameters.classification
        if classes > (max_k if output.name == LOGITS else 0):
            raise _invalid("outputs", f"classification is for {LOGITS}, and of at most {max_k} labels")
        if binary is None:
            binary = asked.parameters.binary_data_output
        wanted.append(_Wanted(output.name, binary, classes, context))
    return wanted


def _response(
    model: ServedModel, asked: InferenceRequest, wanted: list[_Wanted], rows: list[list[Encoded]], glyphs: int
) -> Response:
    said = {
        "model_name": model.name,
        "model_version": model.bundle.manifest.version,
        "parameters": {"digest": model.digest},
    }
    if asked.id is not None:
        said["id"] = asked.id
    outputs = []
    for output, encoded in zip(wanted, zip(*rows, strict=True), strict=True):
        shape = (glyphs, encoded[0][0])
        outputs.append(
            Output(output.name, output.datatype, shape, output.binary, [part for _, part in encoded])
        )
    body, json_length = write_response(said, outputs)
    if json_length is None:
        return Response(body, media_type="application/json")
    headers = {LENGTH_HEADER: str(json_length)}
    return Response(body, headers=headers, media_type="application/octet-stream")


def _invalid(member: str, message: str) -> InvalidRequest:
    return InvalidRequest([{"location": ["body", member], "message": message}])
