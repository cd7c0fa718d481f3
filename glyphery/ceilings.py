"""What the machine can do at most: large matrix products and a memory copy.

A model can hardly be faster than its multiplications in one large product, in the runtime that runs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glyphery.rates import Rate, Work

_SIDES = (512, 1024)  # of the square matrices
_COPIED = 64 * 2**20  # bytes, more than most caches hold
# Element types of ONNX (onnx.proto, TensorProto.DataType).
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int32): 6}
GROUP = "ceiling"
FLOAT, INTEGER = "float32 product", "int8 product"


def ceilings(cores: int) -> list[Work]:
    """The machine's limits: products in 1e9 multiply-adds a second, on one thread and on all cores."""
    rng = np.random.default_rng(0)
    found = []
    for side in _SIDES:
        square = rng.standard_normal((side, side), np.float32)
        bytes_ = rng.integers(0, 256, (side, side), np.uint8)
        signed = rng.integers(-127, 128, (side, side), np.int8)
        numpys = int(os.environ.get("OMP_NUM_THREADS") or cores)
        products: list[tuple[str, str, int, Callable[[], object]]] = [
            (FLOAT, "numpy", numpys, partial(np.matmul, square, square))
        ]
        for threads in sorted({1, cores}):
            products += [
                (FLOAT, "ONNX Runtime", threads, _product("MatMul", square, square, threads)),
                (INTEGER, "ONNX Runtime", threads, _product("MatMulInteger", bytes_, signed, threads)),
            ]
        found += [
            Work(
                group=GROUP, name=f"{kind} of {side:,} x {side:,}, {by}", unit="G multiply-adds/s",
                items=side**3 / 1e9, run=run, threads=threads,
            )
            for kind, by, threads, run in products
        ]  # fmt: skip
    source = np.ones(_COPIED, np.uint8)
    copy = partial(np.copyto, np.empty_like(source), source)
    return [*found, Work(group=GROUP, name="memory copy", unit="GB/s", items=_COPIED / 1e9, run=copy)]


def ceiling(rates: Iterable[Rate], kind: str, threads: int) -> float:
    """The fastest round of any large product of a kind, multiply-adds a second, on so many threads at most.

    kind: FLOAT or INTEGER
    """
    return 1e9 * max(
        rate.high
        for rate in rates
        if rate.group == GROUP and rate.name.startswith(kind) and rate.threads <= threads
    )


def _product(
    operator: str, left: NDArray[np.generic], right: NDArray[np.generic], threads: int
) -> Callable[[], object]:
    """ONNX Runtime's product of a matrix with a constant one, as a model has it."""
    result = np.dtype(np.int32) if operator == "MatMulInteger" else left.dtype
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as of every recogniser
    options.log_severity_level = 3
    session = ort.InferenceSession(
        _model(operator, left, right, result), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"left": left})


def _model(
    operator: str, left: NDArray[np.generic], right: NDArray[np.generic], result: np.dtype[np.generic]
) -> bytes:
    """An ONNX model (onnx.proto) of one operator; the `onnx` package is for training only."""
    node = _text(1, "left") + _text(1, "right") + _text(2, "result") + _text(4, operator)
    constant = b"".join(_number(1, side) for side in right.shape)
    constant += _number(2, _TYPES[right.dtype]) + _text(8, "right") + _field(9, right.tobytes())
    graph = _field(1, node) + _text(2, "product") + _field(5, constant)
    graph += _field(11, _value("left", left.shape, left.dtype))
    graph += _field(12, _value("result", (left.shape[0], right.shape[1]), result))
    return (
        _number(1, 8) + _field(7, graph) + _field(8, _number(2, 13))
    )  # IR version 8, operators of version 13


def _value(name: str, shape: Iterable[int], kind: np.dtype[np.generic]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, side)) for side in shape)
    tensor = _number(1, _TYPES[kind]) + _field(2, dimensions)
    return _text(1, name) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return _variable(number << 3 | 2) + _variable(len(content)) + content


def _text(number: int, content: str) -> bytes:
    return _field(number, content.encode())


def _number(number: int, value: int) -> bytes:
    return _variable(number << 3) + _variable(value)


def _variable(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))
