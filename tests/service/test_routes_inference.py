"""/v2/.../infer: Triton's own client against a real server, and what it cannot send by hand."""

import base64
import json

import numpy as np
import pytest
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from glyphs.picture import read_picture
from tests.service.conftest import triton_of

LABELS = ["65", "98", "1593_init"]
NAN = np.nan
URL = "/v2/models/stars/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def files(picture):
    return [picture(label) for label in LABELS]


@pytest.fixture(scope="module")
def rasters(files):
    return np.stack([read_picture(file) for file in files])[:, None]


@pytest.fixture(scope="module")
def labels(bundle):
    return [label for label, *_ in json.loads((bundle / "labels.json").read_text())["labels"]]


def tensor(name, array, datatype, binary=True):
    given = InferInput(name, list(array.shape), datatype)
    return given.set_data_from_numpy(array, binary_data=binary)


def image(rasters, binary=True):
    return tensor("image", rasters, "UINT8", binary)


def pictures(files):
    return tensor("picture", np.array(files, object), "BYTES")


def classification(k, binary=True):
    return [InferRequestedOutput("logits", binary_data=binary, class_count=k)]


def embeddings(client, files):
    return [client.post("/embed", content=file).json()["embedding"] for file in files]


def body(*inputs, **more):
    return {"inputs": list(inputs), **more}


def one_raster(**changed):
    return {"name": "image", "shape": [1, 1, 128, 128], "datatype": "UINT8", "data": [0] * 128**2} | changed


@pytest.mark.parametrize("sent_binary", [True, False])
@pytest.mark.parametrize("answered_binary", [True, False])
def test_rasters_have_the_embeddings_of_their_pictures(
    triton, client, files, rasters, sent_binary, answered_binary
):
    wanted = [InferRequestedOutput(name, binary_data=answered_binary) for name in ("embedding", "logits")]
    answer = triton.infer("stars", [image(rasters, sent_binary)], outputs=wanted, request_id="42")
    np.testing.assert_allclose(answer.as_numpy("embedding"), embeddings(client, files), atol=1e-6)
    assert answer.as_numpy("logits").shape == (3, 10)
    response = answer.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "stars", "1.0")
    assert response["parameters"]["digest"] == client.get("/models").json()["models"][0]["digest"]
    assert [output["name"] for output in response["outputs"]] == ["embedding", "logits"]


def test_binary_and_json_give_the_same_numbers(triton, rasters):
    def logits(binary):
        wanted = [InferRequestedOutput("logits", binary_data=binary)]
        return triton.infer("stars", [image(rasters)], outputs=wanted).as_numpy("logits")

    assert logits(True).tolist() == logits(False).tolist()


def test_without_outputs_all_are_answered(triton, rasters):
    answer = triton.infer("stars", [image(rasters)], model_version="1.0")
    assert answer.as_numpy("logits").shape == (3, 10)
    assert answer.as_numpy("embedding").shape == (3, 128)


def test_a_model_is_asked_for_by_digest_as_well(triton, client, rasters):
    digest = client.get("/models").json()["models"][0]["digest"]
    assert triton.infer(digest, [image(rasters)]).get_response()["model_name"] == "stars"


def test_pictures_are_read_as_everywhere(triton, files, rasters):
    by_picture = triton.infer("stars", [pictures(files)])
    by_raster = triton.infer("stars", [image(rasters)])
    for name in ("logits", "embedding"):
        np.testing.assert_array_equal(by_picture.as_numpy(name), by_raster.as_numpy(name))


@pytest.mark.parametrize("binary", [True, False])
def test_the_classification_is_that_of_classify(triton, client, files, labels, binary):
    answer = triton.infer("stars", [pictures(files)], outputs=classification(3, binary))
    texts = answer.as_numpy("logits")
    assert texts.shape == (3, 3)
    for file, row in zip(files, texts, strict=True):
        expected = client.post("/classify?k=3", content=file).json()["predictions"]
        for text, prediction in zip(row, expected, strict=True):
            value, place, label = (text if isinstance(text, str) else text.decode()).split(":")
            assert (label, labels[int(place)]) == (prediction["label"], prediction["label"])
            assert float(value) == pytest.approx(prediction["probability"], abs=1e-5)


def test_metrics_reach_the_model_and_may_be_unknown_or_left_out(triton, client, files):
    def logits(*more):
        return triton.infer("stars", [pictures(files), *more]).as_numpy("logits")

    def metrics(array):
        return tensor("metrics", np.array(array, np.float32), "FP32")

    unknown = logits(metrics([[NAN] * 4] * 3))
    np.testing.assert_array_equal(unknown, logits())
    known = logits(metrics([[NAN, 0.9, NAN, NAN], [NAN] * 4, [NAN] * 4]))
    assert not np.allclose(known[0], unknown[0])
    np.testing.assert_array_equal(known[1:], unknown[1:])


def test_in_json_an_unknown_metric_is_null_or_nan(client, rasters):
    def logits(metrics):
        given = body(
            {"name": "image", "shape": [1, 1, 128, 128], "datatype": "UINT8", "data": rasters[0].tolist()},
            {"name": "metrics", "shape": [1, 4], "datatype": "FP32", "data": metrics},
            outputs=[{"name": "logits"}],
        )
        answer = client.post(URL, content=json.dumps(given)).json()
        return answer["outputs"][0]["data"]

    assert logits([[None, 0.7, None, None]]) == logits([NAN, 0.7, NAN, NAN]) != logits([None] * 4)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])  # on one line, and on many
def test_pictures_are_base64_in_json(client, files, encode):
    given = {"name": "picture", "shape": [1], "datatype": "BYTES", "data": [encode(files[0]).decode()]}
    answer = client.post(
        URL, json=body(given, outputs=[{"name": "logits", "parameters": {"classification": 1}}])
    )
    assert answer.headers["content-type"] == "application/json"
    [output] = answer.json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 1])
    assert output["data"][0].endswith(":0:65")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"scripts": "arab"}, {"1593_isol", "1593_init", "1593_medi", "1608_isol"}),
        ({"charset": "Ao"}, {"65", "111"}),
        ({"labels": "65,913,1040", "prior": "uniform"}, {"65", "913", "1040"}),
        ({"my_own": "is passed over"}, None),
    ],
)
def test_the_request_may_say_what_is_possible(triton, files, labels, parameters, expected):
    answer = triton.infer("stars", [pictures(files)], outputs=classification(100), parameters=parameters)
    found = answer.as_numpy("logits")
    assert {text.decode().split(":")[2] for text in found[0]} == (expected or set(labels))
    assert sum(float(text.decode().split(":")[0]) for text in found[0]) == pytest.approx(1, abs=1e-5)


def test_many_glyphs_are_answered_in_order(serve, picture, labels):
    files = [picture(label, variant) for variant in range(10) for label in labels]
    with serve(max_batch=4) as running, triton_of(running) as triton:
        together = triton.infer("stars", [pictures(files)])
        for number in (0, 5, 42, 99):
            alone = triton.infer("stars", [pictures(files[number : number + 1])])
            for name in ("logits", "embedding"):
                np.testing.assert_allclose(
                    together.as_numpy(name)[number], alone.as_numpy(name)[0], atol=1e-5
                )


def test_a_request_of_several_glyphs_comes_in_where_next_to_none_may_wait(serve, rasters):
    with serve(max_waiting=1, executors=1) as running, triton_of(running) as triton:
        assert triton.infer("stars", [image(rasters)]).as_numpy("logits").shape == (3, 10)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "given", "said"),
    [
        (422, "invalid-request", {}, "inputs: Field required"),
        (422, "invalid-request", body(), "Either image or picture is needed"),
        (422, "invalid-request", body(one_raster(name="x")), "The inputs of this model are image, metrics"),
        (422, "invalid-request", body(one_raster(), one_raster()), "The same input came before"),
        (422, "invalid-request", body(one_raster(datatype="FP32")), "The datatype of image is UINT8"),
        (422, "invalid-request", body(one_raster(shape=[1, 128, 128])), "The shape of image is"),
        (422, "invalid-request", body(one_raster(data=[1])), "It has 1 elements"),
        (422, "invalid-request", body(one_raster(), outputs=[{"name": "x"}]), "logits and embedding"),
        (422, "invalid-request", body(one_raster(), outputs=[{"name": "logits"}] * 2), "at most once"),
        (
            422, "invalid-request",
            body(one_raster(), outputs=[{"name": "embedding", "parameters": {"classification": 1}}]),
            "classification is for logits",
        ),
        (
            422, "invalid-request",
            body(one_raster(), outputs=[{"name": "logits", "parameters": {"classification": 101}}]),
            "at most 100 labels",
        ),
        (
            422, "invalid-request",
            body(one_raster(), {"name": "picture", "shape": [1], "datatype": "BYTES", "data": ["x"]}),
            "Either image or picture is needed",
        ),
        (
            422, "invalid-request",
            body({"name": "picture", "shape": [1], "datatype": "BYTES", "data": ["?"]}),
            "picture in JSON is base64",
        ),
        (
            422, "invalid-request",
            body(one_raster(), {"name": "metrics", "shape": [2, 4], "datatype": "FP32", "data": [0] * 8}),
            "metrics are of 2 glyphs, where there are 1",
        ),
        (
            422, "invalid-request",
            body(one_raster(), {"name": "metrics", "shape": [1, 4], "datatype": "FP32", "data": [65] * 4}),
            "metrics are in em",
        ),
        (422, "invalid-request", body(one_raster(), parameters={"scripts": "Latin"}), "parameters.scripts"),
        (422, "invalid-request", body(one_raster(), parameters={"timeout": 10**400}), "timeout"),
        (422, "bad-label", body(one_raster(), parameters={"labels": "x"}), ""),
        (
            422, "no-candidates",
            body(
                one_raster(), parameters={"scripts": "Thai"},
                outputs=[{"name": "logits", "parameters": {"classification": 1}}],
            ),
            "",
        ),
        (413, "too-many-items", body(one_raster(shape=[1025, 1, 128, 128])), "1024"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_used_is_told_why(client, is_problem, status, kind, given, said):
    document = is_problem(client.post(URL, json=given), status, kind)
    assert said in document["detail"]
    assert document["error"] == document["detail"]


def test_a_body_that_is_not_the_protocol_is_refused(client, is_problem):
    head = json.dumps(body(one_raster(data=None, parameters={"binary_data_size": 128**2}))).encode()
    length = {LENGTH: str(len(head))}
    is_problem(client.post(URL, content=head + bytes(128**2), headers={LENGTH: "-1"}), 422, "invalid-request")
    is_problem(client.post(URL, content=b""), 400, "malformed-body")
    is_problem(client.post(URL, content=b"\x89PNG"), 400, "malformed-body")
    is_problem(client.post(URL, content=head + b"short", headers=length), 400, "malformed-body")
    is_problem(client.post(URL, content=head + bytes(128**2)), 400, "malformed-body")
    assert client.post(URL, content=head + bytes(128**2), headers=length).status_code == 200


def test_tritons_client_tells_its_user_what_is_wrong(triton, files, rasters):
    cases = [
        ([image(rasters[:, :, :64])], {}, r"The shape of image is \[-1, 1, 128, 128\]"),
        ([pictures([files[0], b"not a picture"])], {}, "picture 1: .* no picture of a known format"),
        ([image(rasters)], {"request_compression_algorithm": "gzip"}, "The body is compressed"),
        ([image(rasters)], {"outputs": [InferRequestedOutput("x")]}, "logits and embedding"),
    ]
    for inputs, more, said in cases:
        with pytest.raises(InferenceServerException, match=said):
            triton.infer("stars", inputs, **more)


def test_json_and_binary_bodies_have_limits_of_their_own(serve, rasters, is_problem):
    with serve(max_body_bytes=20_000, max_tensor_bytes=60_000) as running:
        with triton_of(running) as triton:
            assert triton.infer("stars", [image(rasters)]).as_numpy("logits").shape == (3, 10)
            with pytest.raises(InferenceServerException, match="more than 60000 bytes"):
                triton.infer("stars", [image(np.concatenate([rasters, rasters]))])
            with pytest.raises(InferenceServerException, match="more than 20000 bytes"):
                triton.infer("stars", [image(rasters, binary=False)])
        headers = {LENGTH: "20001"}
        is_problem(running.client.post(URL, content=b"{}", headers=headers), 413, "body-too-large")


def test_a_failing_piece_fails_the_request_and_nothing_stays_behind(serve, files):
    with serve(max_batch=1, executors=1) as running:
        with triton_of(running) as triton:
            with pytest.raises(InferenceServerException, match="picture 0: "):
                triton.infer("stars", [pictures([b"no picture", *files * 8])])
            assert triton.infer("stars", [pictures(files)]).as_numpy("logits").shape == (3, 10)
        assert running.engine.room.waiting_in_batches == 0


def test_a_request_may_limit_its_own_time(triton, serve, files):
    assert triton.infer("stars", [pictures(files)], timeout=5_000_000).as_numpy("logits") is not None
    with serve(max_batch=1, executors=1) as running, triton_of(running) as other:
        with pytest.raises(InferenceServerException, match="time for this request was up") as raised:
            other.infer("stars", [pictures(files)], timeout=1)
        assert raised.value.status() == "504"
