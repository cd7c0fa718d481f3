"""Requests as bytes, made once; and the best labels read out of answers, each server in its own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.load import HOST

LINES = "application/x-ndjson"
_JSON = "application/json"


def post(path: str, body: bytes, content_type: str, **headers: str) -> bytes:
    """A whole request; underscores in the names of headers stand for dashes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def get(path: str) -> bytes:
    """A whole request."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


# --- requests -----------------------------------------------------------------------------------


def picture(path: str, png: bytes, **headers: str) -> bytes:
    """The picture as it is."""
    return post(path, png, "image/png", **headers)


def in_json(path: str, png: bytes) -> bytes:
    """The picture in base64, in a field `image`."""
    return post(path, json.dumps({"image": _base64(png)}).encode(), _JSON)


def in_json_list(path: str, png: bytes) -> bytes:
    """The same in a list of one."""
    return post(path, json.dumps({"image": [_base64(png)]}).encode(), _JSON)


def in_tensor(path: str, png: bytes) -> bytes:
    """The picture in base64, as an element of BYTES of the Open Inference Protocol."""
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_base64(png)]}
    return post(path, json.dumps({"inputs": [tensor]}).encode(), _JSON)


def lines(path: str, pngs: Sequence[bytes]) -> bytes:
    """Many pictures, a line of JSON each."""
    return post(path, b"".join(json.dumps({"image": _base64(png)}).encode() + b"\n" for png in pngs), LINES)


def rasters(path: str, of: NDArray[np.uint8], k: int = 5) -> bytes:
    """(N, S, S) rasters as a binary tensor, for the k best labels of each."""
    count, size, _ = of.shape
    tensor = {
        "name": "image", "shape": [count, 1, size, size], "datatype": "UINT8",
        "parameters": {"binary_data_size": of.size},
    }  # fmt: skip
    wanted = {"name": "logits", "parameters": {"classification": k}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    length = {"Inference_Header_Content_Length": str(len(head))}
    return post(path, head + of.tobytes(), "application/octet-stream", **length)


# --- answers ------------------------------------------------------------------------------------


def best_prediction(body: bytes) -> list[str]:
    return [_best(json.loads(body))]


def best_of_list(body: bytes) -> list[str]:
    return [_best(answer) for answer in json.loads(body)]


def best_of_lines(body: bytes) -> list[str]:
    return [_best(json.loads(line)) for line in body.splitlines()]


def best_of_tensor(body: bytes) -> list[str]:
    """Of an answer whose output is texts of JSON, one a picture."""
    [output] = json.loads(body)["outputs"]
    return [_best(json.loads(text)) for text in output["data"]]


def best_of_classification(body: bytes) -> list[str]:
    """Of an answer whose output is texts `probability:place:label`, so many a glyph."""
    [output] = json.loads(body)["outputs"]
    count, k = output["shape"]
    return [output["data"][row * k].rsplit(":", 1)[1] for row in range(count)]


def best_neighbour(body: bytes) -> list[str]:
    return [json.loads(body)["neighbours"][0]["label"]]


def _best(answer: dict[str, list[dict[str, str]]]) -> str:
    return answer["predictions"][0]["label"]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
