"""The wire format of tensors: what goes out comes back, and no body makes more than our own errors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from service.errors import BadRequest, InvalidRequest, MalformedBody, TooManyItems
from service.tensors import (
    Output,
    Tensor,
    from_binary,
    from_json,
    read_request,
    to_binary,
    to_json,
    write_response,
)

KNOWN = [
    Tensor(name="image", datatype="UINT8", shape=[-1, 1, 2, 2]),
    Tensor(name="metrics", datatype="FP32", shape=[-1, 4]),
    Tensor(name="picture", datatype="BYTES", shape=[-1]),
]
SHAPES = array_shapes(max_dims=4, max_side=4)


def numbers(datatype):
    return arrays({"UINT8": np.uint8, "FP32": np.float32}[datatype], SHAPES)


def objects(elements):
    return arrays(object, SHAPES, elements=elements)


def same(first, second):
    if first.dtype == object:
        return first.shape == second.shape and first.tolist() == second.tolist()
    return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=first.dtype == np.float32)


@given(st.data())
def test_tensors_survive_binary(data):
    datatype = data.draw(st.sampled_from(["UINT8", "FP32", "BYTES"]))
    array = data.draw(objects(st.binary(max_size=20)) if datatype == "BYTES" else numbers(datatype))
    assert same(from_binary(datatype, array.shape, memoryview(to_binary(array))), array)


@given(st.data())
def test_tensors_survive_json_flat_and_nested(data):
    datatype = data.draw(st.sampled_from(["UINT8", "FP32", "BYTES"]))
    texts = st.text(max_size=20).map(str.encode)
    array = data.draw(objects(texts) if datatype == "BYTES" else numbers(datatype))
    flat = json.loads(b"[" + to_json(array) + b"]")
    assert same(from_json(datatype, array.shape, flat), array)
    nested = np.array(flat, object).reshape(array.shape).tolist()
    assert same(from_json(datatype, array.shape, nested), array)


def test_null_is_a_number_that_is_not_known():
    assert np.isnan(from_json("FP32", [2], [None, math.nan])).all()


@given(st.binary(max_size=200), st.integers(0, 100), st.sampled_from(["UINT8", "FP32", "BYTES"]))
def test_no_bytes_make_another_error_than_a_value_error(data, count, datatype):
    try:
        array = from_binary(datatype, [count], memoryview(data))
    except ValueError:
        return
    assert to_binary(array) == data


def test_binary_numbers_are_views_of_the_body():
    body = bytes(16)
    assert np.shares_memory(from_binary("UINT8", [16], memoryview(body)), np.frombuffer(body, np.uint8))


# Bodies that go wrong late: JSON of nearly the right form, with some bytes behind it.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
SIZES = st.none() | st.integers(-1, 40)
INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "metrics", "picture", "other"]) | ANYTHING,
        "shape": st.sampled_from([[1, 1, 2, 2], [2, 4], [1], [3]]) | ANYTHING,
        "datatype": st.sampled_from(["UINT8", "FP32", "BYTES", "INT64"]) | ANYTHING,
    },
    optional={
        "data": st.lists(st.integers(-1, 256) | ANYTHING, max_size=8) | ANYTHING,
        "parameters": st.fixed_dictionaries({"binary_data_size": SIZES}) | ANYTHING,
    },
)
REQUESTS = st.fixed_dictionaries({"inputs": st.lists(INPUTS, max_size=3)}, optional={"outputs": ANYTHING})


@given(REQUESTS | ANYTHING, st.binary(max_size=60), st.integers(-3, 3))
def test_no_request_makes_another_error_than_ours(request_json, behind, off):
    head = json.dumps(request_json).encode()
    for length in (None, max(0, len(head) + off)):
        read_or_refused(head + behind, length)


@given(st.binary(max_size=100), st.none() | st.integers(0, 10**20))
def test_no_body_makes_another_error_than_ours(body, length):
    read_or_refused(body, length)


def read_or_refused(body, length):
    try:
        _, tensors = read_request(body, length, KNOWN, 2)
    except BadRequest:
        return
    for tensor in KNOWN:
        if tensor.name in tensors:
            assert 1 <= len(tensors[tensor.name]) <= 2
            assert list(tensors[tensor.name].shape[1:]) == tensor.shape[1:]


def request_of(*inputs, behind=b"", length=0):
    head = json.dumps({"inputs": inputs}).encode()
    return read_request(head + behind, len(head) + length if behind or length else None, KNOWN, 2)


def metrics(**changed):
    return {"name": "metrics", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]} | changed


BINARY = {"parameters": {"binary_data_size": 16}, "data": None}


def test_binary_and_json_stand_side_by_side():
    picture = {
        "name": "picture", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 11}
    }  # fmt: skip
    values = np.arange(4, dtype=np.float32)
    _, tensors = request_of(
        picture,
        metrics(**BINARY),
        {"name": "image", "shape": [1, 1, 2, 2], "datatype": "UINT8", "data": [[[[1, 2], [3, 4]]]]},
        behind=b"\x02\0\0\0ab\x01\0\0\0c" + values.tobytes(),
    )
    assert tensors["picture"].tolist() == [b"ab", b"c"]
    assert tensors["metrics"].tolist() == [[0, 1, 2, 3]]
    assert tensors["image"].tolist() == [[[[1, 2], [3, 4]]]]


@pytest.mark.parametrize(
    ("inputs", "behind", "expected"),
    [
        ([metrics(name="other")], b"", "The inputs of this model are image, metrics, picture"),
        ([metrics(), metrics()], b"", "The same input came before"),
        ([metrics(datatype="FP64")], b"", "The datatype of metrics is FP32"),
        ([metrics(shape=[4])], b"", "The shape of metrics is [-1, 4]"),
        ([metrics(shape=[1, 3])], b"", "The shape of metrics is [-1, 4]"),
        ([metrics(shape=[0, 4], data=[])], b"", "where -1 is one or more"),
        ([metrics(data=[1, 2, 3])], b"", "It has 3 elements, where its shape makes 4"),
        ([metrics(data=[1, 2, 3, "4"])], b"", "Not all its elements are FP32"),
        ([metrics(data=[1, 2, [3], 4])], b"", "Not all its elements are FP32"),
        ([metrics(data=[True] * 4)], b"", "Not all its elements are FP32"),
        ([metrics(data=[1, 2, 3, 10**400])], b"", "Not all its elements are in the range of FP32"),
        ([metrics(data=None)], b"", "either into `data` or behind the JSON"),
        ([metrics(parameters={"binary_data_size": 16})], b"x" * 16, "either into `data` or behind the JSON"),
        ([metrics(**BINARY, shape=[2, 4])], b"x" * 16, "It has 16 bytes, where its shape makes 32"),
        (
            [{"name": "image", "shape": [1, 1, 2, 2], "datatype": "UINT8", "data": [0, 0, 0, 256]}],
            b"",
            "Not all its elements are in the range of UINT8",
        ),
        (
            [{"name": "picture", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}}],
            b"\x03\0\0\0ab",
            "lengths of its elements do not add up",
        ),
    ],
)
def test_a_tensor_that_is_not_what_it_should_be_is_told_how(inputs, behind, expected):
    with pytest.raises(InvalidRequest) as raised:
        request_of(*inputs, behind=behind)
    assert expected in str(raised.value)
    assert raised.value.errors[0]["location"][:2] == ["body", "inputs"]


def test_a_tensor_may_not_be_longer_than_the_limit():
    with pytest.raises(TooManyItems):
        request_of(metrics(shape=[3, 4], data=[0] * 12))


@pytest.mark.parametrize(
    ("inputs", "behind", "length", "expected"),
    [
        ([metrics(**BINARY)], b"x" * 15, 0, "ends before"),
        ([metrics(**BINARY)], b"", 0, "ends before"),
        ([metrics(**BINARY)], b"x" * 17, 0, "goes on behind"),
        ([metrics()], b"x", 0, "goes on behind"),
        ([metrics()], b"", 1, "shorter than its JSON"),
        ([metrics()], b"", -1, "not the JSON"),
    ],
)
def test_a_body_that_does_not_add_up_is_malformed(inputs, behind, length, expected):
    with pytest.raises(MalformedBody, match=expected):
        request_of(*inputs, behind=behind, length=length)


def test_a_response_is_json_with_binary_behind_it():
    first, second = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([[b"a"], [b"bc"], [b""]], object)
    for binary in (True, False):
        encode = to_binary if binary else to_json
        outputs = [
            Output("logits", "FP32", first.shape, binary, [encode(first[:2]), encode(first[2:])]),
            Output("labels", "BYTES", second.shape, False, [to_json(second)]),
        ]
        body, length = write_response({"model_name": "m"}, outputs)
        answer = json.loads(body[:length])
        assert answer["model_name"] == "m"
        assert answer["outputs"][1] == {
            "name": "labels", "datatype": "BYTES", "shape": [3, 1], "data": ["a", "bc", ""]
        }  # fmt: skip
        described = {"name": "logits", "datatype": "FP32", "shape": [3, 2]}
        if binary:
            assert answer["outputs"][0] == described | {"parameters": {"binary_data_size": 24}}
            assert body[length:] == first.tobytes()
        else:
            assert length is None
            assert answer["outputs"][0] == described | {"data": [0, 1, 2, 3, 4, 5]}
