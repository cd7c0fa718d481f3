"""/primitives: what a model that names them sees."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from glyphs.picture import read_picture
from service.schemas import PrimitivesResponse


@pytest.fixture(scope="module")
def naming(serve, bundle, naming_bundle):
    with serve(bundles=[bundle, naming_bundle]) as running:
        yield running.client


def test_the_answer_has_the_raster_and_a_number_for_each_cell(naming, picture):
    posted = picture("65")
    answer = naming.post("/primitives?model=naming", content=posted).json()
    assert PrimitivesResponse.model_validate(answer, strict=True).model_dump() == answer
    assert answer["model"]["name"] == "naming"
    seen = 255 - np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["raster"]))))
    assert np.array_equal(seen, read_picture(posted))
    assert answer["cell"] == 16
    expected = seen.reshape(8, 16, 8, 16).mean(axis=(1, 3)).astype(int)
    assert np.array_equal(answer["grid"], expected)


def test_a_model_that_names_none_says_so(naming, picture, is_problem):
    document = is_problem(naming.post("/primitives", content=picture("65")), 404, "no-primitives")
    assert "stars" in document["detail"]
    is_problem(naming.post("/primitives?model=other", content=picture("65")), 404, "unknown-model")


def test_a_blank_picture_is_refused(naming, is_problem):
    blank = io.BytesIO()
    Image.new("L", (64, 64), 255).save(blank, "PNG")
    is_problem(naming.post("/primitives?model=naming", content=blank.getvalue()), 422, "blank-image")


def test_the_models_say_whether_they_name_primitives(naming):
    models = naming.get("/models").json()["models"]
    assert {model["name"]: model["primitives"] for model in models} == {"stars": False, "naming": True}
