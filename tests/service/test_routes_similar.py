"""/similar and /references."""

import io
import shutil

import pytest
from PIL import Image, ImageDraw

FIELDS = {
    "label", "codepoint", "character", "form", "name", "script", "family", "style", "similarity", "raster",
}  # fmt: skip


def neighbours(response):
    assert response.status_code == 200, response.text
    return response.json()["neighbours"]


def test_references_of_the_same_label_come_first(client, picture):
    response = client.post("/similar", params={"k": 3, "height": 0.6}, content=picture("1593_init"))
    found = neighbours(response)
    assert {n["label"] for n in found} == {"1593_init"}
    assert {n["family"] for n in found} == {"Amiri", "Noto Sans", "Vollkorn"}
    assert all(set(n) == FIELDS for n in found)
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert set(response.json()) == {"model", "neighbours"}


def test_similarities_fall_and_ten_is_the_default(client, picture):
    found = [n["similarity"] for n in neighbours(client.post("/similar", content=picture("98")))]
    assert len(found) == 10
    assert found == sorted(found, reverse=True)


def test_a_label_is_asked_for_without_a_picture(client):
    found = neighbours(client.get("/similar/1593_init", params={"k": 3}))
    assert {n["label"] for n in found} == {"1593_init"}
    folded = neighbours(client.get("/similar/65227", params={"k": 3}))
    assert folded == found


@pytest.mark.parametrize("ask", ["picture", "label"])
def test_filters_hold_for_pictures_and_labels(client, picture, ask):
    def asked(**query):
        if ask == "label":
            return neighbours(client.get("/similar/65", params={"k": 100, **query}))
        return neighbours(client.post("/similar", params={"k": 100, **query}, content=picture("65")))

    assert {n["script"] for n in asked(scripts="Arab,Grek")} == {"Arab", "Grek"}
    assert {n["family"] for n in asked(families="Amiri, Noto Sans")} == {"Amiri", "Noto Sans"}
    assert {(n["label"], n["family"]) for n in asked(families="Vollkorn", scripts="Cyrl")} == {
        ("1040", "Vollkorn")
    }
    assert asked(families="Nobody's") == []
    assert len(asked()) == 30
    assert {n["label"] for n in asked(exclude_same="true")} == {n["label"] for n in asked()} - {"65"}


def test_the_same_label_is_left_out_for_confusables(client):
    found = neighbours(client.get("/similar/65", params={"k": 6, "exclude_same": True}))
    assert {n["label"] for n in found} == {"913", "1040"}


def test_distinct_neighbours_are_of_as_many_labels(client, picture):
    for found in (
        neighbours(client.post("/similar", params={"k": 6, "distinct": True}, content=picture("65"))),
        neighbours(client.get("/similar/65", params={"k": 6, "distinct": True})),
    ):
        assert len({n["label"] for n in found}) == len(found) == 6
        assert found[0]["label"] in {"65", "913", "1040"}


def test_a_label_without_references_is_unknown(client, is_problem):
    is_problem(client.get("/similar/1594_init"), 404, "unknown-label")


@pytest.mark.parametrize("text", ["x", "65_", "-1", "1593_INIT", "55296"])
def test_a_text_that_is_no_label_is_a_problem(client, is_problem, text):
    is_problem(client.get(f"/similar/{text}"), 422, "bad-label")


def test_a_very_long_label_is_refused_without_repeating_it(client, is_problem):
    assert len(is_problem(client.get("/similar/" + "6" * 5000), 422, "invalid-request")["detail"]) < 200


@pytest.mark.parametrize("query", [{"k": 0}, {"k": 101}, {"scripts": "x"}, {"exclude_same": "perhaps"}])
def test_bad_parameters_are_named(client, picture, is_problem, query):
    for response in (
        client.get("/similar/65", params=query),
        client.post("/similar", params=query, content=picture("65")),
    ):
        document = is_problem(response, 422, "invalid-request")
        assert document["errors"][0]["location"] == ["query", *query]


def test_a_neighbours_raster_is_a_picture_that_may_be_cached(client):
    path = neighbours(client.get("/similar/65"))[0]["raster"]
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert "max-age" in response.headers["cache-control"]
    image = Image.open(io.BytesIO(response.content))
    assert image.size == (48, 48)
    assert image.getpixel((0, 0)) == 255
    again = client.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("number", ["30", "999999999"])
def test_a_reference_beyond_the_index_is_a_problem(client, is_problem, number):
    is_problem(client.get(f"/references/{number}.png"), 404, "unknown-reference")


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 5000])
def test_a_reference_number_that_is_none_is_a_problem(client, is_problem, number):
    is_problem(client.get(f"/references/{number}.png"), 422, "invalid-request")


def test_a_bundle_without_an_index_says_so_and_still_recognises(
    serve, bundle_without_index, picture, is_problem
):
    with serve(bundles=[bundle_without_index]) as running:
        client = running.client
        is_problem(client.post("/similar", content=picture("65")), 404, "no-index")
        is_problem(client.get("/similar/65"), 404, "no-index")
        is_problem(client.get("/references/0.png"), 404, "no-index")
        assert client.post("/classify", content=picture("65")).status_code == 200
        assert client.get("/readyz").status_code == 200
        [model] = client.get("/models").json()["models"]
        assert (model["index"], model["references"]) == (False, 0)


def test_labels_that_the_model_never_learned_are_found(serve, tiny_bundle, make_font, tmp_path):
    from glyphs.labels import Label
    from index.add import ReferenceAdder
    from index.search import ReferenceIndex
    from recognition.bundle import seal
    from recognition.recogniser import Recogniser

    corners = [(0, 0), (350, 700), (700, 0)]
    font = make_font("ethiopic.ttf", "Drawn by Hand", {0x1200: [corners]})
    assert Label(0x1200) not in tiny_bundle.labels
    recogniser = Recogniser(tiny_bundle)
    adder = ReferenceAdder(
        [font], settings=tiny_bundle.manifest.raster, into=ReferenceIndex.load(tiny_bundle.path)
    )
    for _ in adder.run(lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings):
        pass
    grown = shutil.copytree(tiny_bundle.path, tmp_path / "grown")
    adder.added.index.save(grown)
    seal(grown, tiny_bundle.manifest)

    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).polygon([(x / 4 + 10, 190 - y / 4) for x, y in corners], fill=0)
    file = io.BytesIO()
    image.save(file, "PNG")
    metrics = {"width": 0.7, "height": 0.7, "bottom": 0, "advance": 1}
    with serve(bundles=[grown]) as running:
        [by_label] = neighbours(running.client.get("/similar/4608", params={"k": 1}))
        asked = {"k": 1, **metrics}
        [by_picture] = neighbours(running.client.post("/similar", params=asked, content=file.getvalue()))
        for found in (by_label, by_picture):
            assert (found["label"], found["family"]) == ("4608", "Drawn by Hand")
            assert found["name"] == "ETHIOPIC SYLLABLE HA"
            assert found["script"] == "Ethi"
            assert running.client.get(found["raster"]).status_code == 200
        only = neighbours(running.client.get("/similar/4608", params={"scripts": "Ethi"}))
        assert [n["label"] for n in only] == ["4608"]
        others = neighbours(running.client.get("/similar/4608", params={"exclude_same": True}))
        assert len(others) == 10
        assert "4608" not in {n["label"] for n in others}
        by_picture = {"exclude_same": True, **asked}
        assert neighbours(running.client.post("/similar", params=by_picture, content=file.getvalue()))
        assert running.client.post("/classify", content=file.getvalue()).status_code == 200
