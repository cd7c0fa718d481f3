"""Tensors as the Open Inference Protocol (version 2) sends them: in JSON, or in binary behind it.

A body is one JSON object. A tensor's elements are in its `data`, or, where it has the parameter
`binary_data_size`, they are that many bytes behind the JSON, one such tensor after the other; a header
then says how long the JSON is. Numbers are little-endian, elements in row-major order, and an element
of BYTES is preceded by its length in four bytes.

In memory a tensor is an array, one of BYTES an array of `bytes`. Binary numbers are not copied: the
array is a view of the body.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import to_json as dump_json  # of floats, eight times as fast as the standard library's

from service.errors import InvalidRequest, MalformedBody, TooManyItems
from service.parameters import InContext
from service.problems import refusal

LENGTH_HEADER: Final = "Inference-Header-Content-Length"

Array = NDArray[Any]
Datatype = Literal["UINT8", "FP32", "BYTES"]
_NUMBERS: Final[Mapping[str, np.dtype[Any]]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
# What the elements may be in JSON. It has no NaN, wherefore null stands for that.
_IN_JSON: Final[Mapping[str, set[type]]] = {
    "UINT8": {int}, "FP32": {int, float, type(None)}, "BYTES": {str}
}  # fmt: skip
_LENGTH_BYTES = 4
_LONGEST_ID = 10_000  # characters

_REQUEST: JsonDict = {
    "id": "42",
    "inputs": [{"name": "picture", "shape": [1], "datatype": "BYTES", "data": ["iVBORw0KGgo..."]}],
    "outputs": [{"name": "logits", "parameters": {"classification": 3}}],
}
_LABELS: list[Any] = ["0.970000:812:1593_init", "0.020000:813:1593_medi", "0.010000:900:1594_init"]
_RESPONSE: JsonDict = {
    "id": "42",
    "model_name": "levit_128s",
    "model_version": "1.0",
    "parameters": {"digest": "sha256:9f2c1d0e7ab35846c1fd90a2be3471c58d06e92ab7f4415c3d8e60a92b7c1f54"},
    "outputs": [{"name": "logits", "shape": [1, 3], "datatype": "BYTES", "data": _LABELS}],
}


class Tensor(BaseModel):
    """A tensor as a model's metadata describe it; -1 stands for any number."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: dict[str, Any] = {}


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class InputParameters(_Asked):
    """How an input's elements are sent."""

    binary_data_size: int | None = Field(default=None, ge=0, description="bytes of it behind the JSON")


class RequestInput(_Asked):
    """A tensor that is sent."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: str
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(default=None, description="the elements, flat or nested as the shape is")


class OutputParameters(_Asked):
    """How an output shall be answered."""

    binary_data: bool | None = Field(
        default=None, description="in binary, whatever the request says of all outputs"
    )
    classification: int = Field(
        default=0, ge=0, description="so many of the best labels instead of the numbers"
    )


class RequestOutput(_Asked):
    """A tensor that is wanted."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(_Asked, InContext):
    """What is said of a request as a whole, and of a classification; other parameters are passed over."""

    binary_data_output: bool = Field(default=False, description="answer all outputs in binary")
    timeout: int = Field(
        default=0, ge=0, lt=2**63, description="microseconds the request may wait; 0 for the server's limit"
    )


class InferenceRequest(_Asked):
    """The JSON of a request."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})

    id: str | None = Field(default=None, max_length=_LONGEST_ID, description="comes back in the answer")
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = Field(default=None, description="all, if there are none")
    parameters: RequestParameters = RequestParameters()


class ResponseOutput(Tensor):
    """A tensor that is answered."""

    datatype: Literal["FP32", "BYTES"]
    data: list[float] | list[str] | None = None


class InferenceResponse(BaseModel):
    """The JSON of an answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESPONSE]})

    id: str | None = None
    model_name: str
    model_version: str
    parameters: dict[str, str]
    outputs: list[ResponseOutput]


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor to be sent, its elements encoded already, in any number of parts.

    parts: made by `to_binary` or `to_json`, as `binary` says
    """

    name: str
    datatype: Datatype
    shape: Sequence[int]
    binary: bool
    parts: Sequence[bytes]


def read_request(
    body: bytes, json_length: int | None, known: Iterable[Tensor], most: int
) -> tuple[InferenceRequest, dict[str, Array]]:
    """A request and its tensors by name.

    json_length: how much of the body is JSON, None for all of it
    known: the tensors a request may bring
    most: largest number that may stand for a -1 in their shapes; the smallest is 1

    Raises:
        MalformedBody: the body is no JSON, or ends elsewhere than it says.
        InvalidRequest: the JSON is no request, or a tensor is not what it should be.
        TooManyItems: a tensor is longer than allowed.
    """
    start = len(body) if json_length is None else json_length
    if start > len(body):
        raise MalformedBody(f"The body is shorter than its JSON should be; mind {LENGTH_HEADER}.")
    request = _parsed(body[:start])
    specifications = {tensor.name: tensor for tensor in known}
    tensors: dict[str, Array] = {}
    for number, given in enumerate(request.inputs):
        try:
            _check(given, specifications, tensors, most)
            size = given.parameters.binary_data_size
            if (size is None) == (given.data is None):
                raise ValueError("Its elements belong either into `data` or behind the JSON, and there "
                                 "`binary_data_size` tells their bytes")  # fmt: skip
            if given.data is not None:
                tensors[given.name] = from_json(given.datatype, given.shape, given.data)
                continue
            stop = start + (size or 0)
            if stop > len(body):
                raise MalformedBody(f"The body ends before the tensors it announces; mind {LENGTH_HEADER}.")
            tensors[given.name] = from_binary(given.datatype, given.shape, memoryview(body)[start:stop])
            start = stop
        except ValueError as error:
            location = ["body", "inputs", str(number)]
            raise InvalidRequest([{"location": location, "message": str(error)}]) from None
    if start != len(body):
        raise MalformedBody(f"The body goes on behind the last of its tensors; mind {LENGTH_HEADER}.")
    return request, tensors


def _parsed(text: bytes) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate_json(text)
    except ValidationError as error:
        remedy = f"Where tensors follow its JSON, {LENGTH_HEADER} tells how long that is."
        raise refusal(error, "body", remedy) from None


def _check(given: RequestInput, known: Mapping[str, Tensor], seen: Iterable[str], most: int) -> None:
    """Raises ValueError and TooManyItems."""
    expected = known.get(given.name)
    if expected is None:
        raise ValueError(f"The inputs of this model are {', '.join(known)}")
    if given.name in seen:
        raise ValueError("The same input came before")
    if given.datatype != expected.datatype:
        raise ValueError(f"The datatype of {expected.name} is {expected.datatype}")
    if len(given.shape) != len(expected.shape) or any(
        found < 1 if wanted == -1 else found != wanted
        for found, wanted in zip(given.shape, expected.shape, strict=True)
    ):
        raise ValueError(f"The shape of {expected.name} is {expected.shape}, where -1 is one or more")
    if any(wanted == -1 and found > most for found, wanted in zip(given.shape, expected.shape, strict=True)):
        raise TooManyItems(most)


def from_binary(datatype: str, shape: Sequence[int], data: memoryview) -> Array:
    """Raises ValueError where the bytes are no such tensor."""
    count = math.prod(shape)
    if datatype == "BYTES":
        return _objects(_elements(data, count), shape)
    dtype = _NUMBERS[datatype]
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"It has {len(data)} bytes, where its shape makes {count * dtype.itemsize}")
    return np.frombuffer(data, dtype).reshape(shape)


def from_json(datatype: str, shape: Sequence[int], data: list[Any]) -> Array:
    """Raises ValueError where the elements are no such tensor."""
    flat = data
    while flat and all(type(item) is list for item in flat):
        flat = list(chain.from_iterable(flat))
    if len(flat) != math.prod(shape):
        raise ValueError(f"It has {len(flat)} elements, where its shape makes {math.prod(shape)}")
    if not set(map(type, flat)) <= _IN_JSON[datatype]:
        raise ValueError(f"Not all its elements are {datatype}")
    if datatype == "BYTES":
        return _objects([text.encode() for text in flat], shape)
    try:
        if datatype == "UINT8":
            return np.frombuffer(bytes(flat), np.uint8).reshape(shape)
        with np.errstate(over="ignore"):  # to infinity, which is for others to judge
            return np.array(flat, np.float32).reshape(shape)
    except (ValueError, OverflowError):
        raise ValueError(f"Not all its elements are in the range of {datatype}") from None


def to_binary(array: Array) -> bytes:
    """The elements as they stand behind the JSON."""
    if array.dtype == object:
        return b"".join(
            chain.from_iterable((len(item).to_bytes(_LENGTH_BYTES, "little"), item) for item in array.flat)
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def to_json(array: Array) -> bytes:
    """The elements as they stand in `data`, flat and without brackets; BYTES have to be UTF-8."""
    flat = array.ravel().tolist()
    return dump_json([item.decode() for item in flat] if array.dtype == object else flat)[1:-1]


def write_response(said: Mapping[str, Any], outputs: Sequence[Output]) -> tuple[bytes, int | None]:
    """A body, and how much of it is JSON if there is anything behind that.

    said: the members of the answer besides its outputs
    """
    described = b", ".join(map(_described, outputs))
    head = json.dumps(said)[:-1].encode() + b', "outputs": [' + described + b"]}"
    behind = [output.parts for output in outputs if output.binary]
    return b"".join([head, *chain.from_iterable(behind)]), len(head) if behind else None


def _described(output: Output) -> bytes:
    """A tensor's JSON, put together of the parts that are JSON already."""
    fields: dict[str, Any] = {
        "name": output.name, "datatype": output.datatype, "shape": list(output.shape)
    }  # fmt: skip
    if output.binary:
        fields["parameters"] = {"binary_data_size": sum(map(len, output.parts))}
        return json.dumps(fields).encode()
    return json.dumps(fields)[:-1].encode() + b', "data": [' + b", ".join(output.parts) + b"]}"


def _elements(data: memoryview, count: int) -> list[bytes]:
    """So many elements of BYTES."""
    elements, place = [], 0
    if count * _LENGTH_BYTES <= len(data):
        for _ in range(count):
            start = place + _LENGTH_BYTES
            place = start + int.from_bytes(data[place:start], "little")
            elements.append(bytes(data[start:place]))
    if place != len(data):  # too short as well: a place behind the end never comes back
        raise ValueError(f"It has {len(data)} bytes, which the lengths of its elements do not add up to")
    return elements


def _objects(items: list[bytes], shape: Sequence[int]) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)
