"""Every glyph of a font is recognised while its client waits, and nobody else has to."""

import base64
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import to_json

from bundles import default_bundle
from glyphs.fonts import FontFile
from glyphs.raster import draw
from recognition.bundle import Bundle
from service.models import ServedModel
from service.one_by_one import in_pieces
from service.schemas import IdentifyResponse
from tests.service.waits import eventually, unread

MOST = 240  # glyphs: as many as sans.ttf has, and a few less than naskh.ttf


@pytest.fixture(scope="module")
def service(serve, bundle):
    """The shipped bundle, and one whose rasters are of another size."""
    with serve(bundles=[default_bundle(), bundle], max_identified_glyphs=MOST) as running:
        yield running


@pytest.fixture
def post(service):
    def post(content, kind="application/octet-stream", **params):
        return service.client.post(
            "/fonts/identify", content=content, headers={"content-type": kind}, params=params
        )

    return post


@pytest.fixture(scope="module")
def sans(font_dir):
    return (font_dir / "sans.ttf").read_bytes()


@pytest.fixture(scope="module")
def small(font_dir):
    return (font_dir / "phagspa.ttf").read_bytes()


def faces(response):
    assert response.status_code == 200, response.text
    return response.json()["faces"]


def best(glyphs):
    """What each shows, with nothing but its probability left out."""
    return [
        {**glyph, "predictions": [p | {"probability": ...} for p in glyph["predictions"][:1]]}
        for glyph in glyphs
    ]


def sandbox_of(running):
    """The process that reads fonts."""
    return running.app.state.identifier._sandbox.start()


def numbers(running):
    """What it measures of itself, by the metric's name and the model's."""
    return {
        (sample.name, sample.labels.get("model", "")): sample.value
        for family in text_string_to_metric_families(running.client.get("/metrics").text)
        for sample in family.samples
    }


def test_an_answer_in_pieces_is_the_answer():
    value = {"faces": [{"glyphs": [{"name": 'a"\u0639', "advance": 0.5}, {}], "none": None}, []], "\u0639": 1}
    for depth in range(6):
        assert in_pieces(value, depth) == to_json(value)


def test_answers_are_those_of_the_command_line(post, font_dir):
    program = [sys.executable, "-m", "glyphery", "identify", font_dir / "sans.ttf", "--json"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    response = post((font_dir / "sans.ttf").read_bytes())
    assert IdentifyResponse.model_validate(response.json(), strict=True).model_dump() == response.json()
    assert response.json()["model"]["digest"] == Bundle.load(default_bundle()).digest
    [face] = faces(response)
    assert (face["face"], face["family"]) == (0, lines[0]["family"])
    assert {glyph.pop("picture") for glyph in face["glyphs"]} == {None}
    told = [{key: line[key] for key in face["glyphs"][0]} for line in lines]
    assert best(face["glyphs"]) == best(told)
    for glyph, line in zip(face["glyphs"], lines, strict=True):
        chances, expected = ([p["probability"] for p in of["predictions"]] for of in (glyph, line))
        assert chances == pytest.approx(expected, abs=1e-3)


def test_a_font_that_maps_nothing_is_read_all_the_same(post, sans):
    font, out = TTFont(io.BytesIO(sans)), io.BytesIO()
    mapped = font.getBestCmap()
    places = {font.getGlyphID(name): chr(codepoint) for codepoint, name in mapped.items()}
    del font["cmap"]
    font.save(out)
    [face] = faces(post(out.getvalue(), k=1, scripts="Latn"))
    assert not any(glyph["mapped"] for glyph in face["glyphs"])
    shown = {g["glyph"]: g["predictions"][0]["character"] for g in face["glyphs"] if g["predictions"]}
    letters = [index for index, text in places.items() if text.isascii() and text.isalpha()]
    assert len(letters) == 52
    assert sum(shown[index] == places[index] for index in letters) > 45


def test_glyphs_without_ink_have_a_reason(post, make_font):
    square = [[(100, 0), (100, 500), (600, 500), (600, 0)]]
    font = make_font("blank.ttf", "Blank", {0x41: square, 0x42: []})
    [face] = faces(post(font.read_bytes()))
    missing, square, blank = face["glyphs"]
    assert (square["mapped"], len(square["predictions"]), square["reason"]) == (["U+0041"], 3, "")
    assert (blank["known"], blank["predictions"], blank["reason"]) == (None, [], "It has no ink.")
    assert blank["advance"] == square["advance"] > 0
    assert missing["predictions"] == []


def test_glyphs_are_shown_where_that_is_asked_for(post, sans):
    [face], [bare] = faces(post(sans, pictures=True)), faces(post(sans))
    shown = {glyph["glyph"]: glyph.pop("picture") for glyph in face["glyphs"]}
    assert [glyph | {"picture": None} for glyph in face["glyphs"]] == bare["glyphs"]
    settings = Bundle.load(default_bundle()).manifest.raster
    [font] = FontFile(Path(), sans, "").faces()
    for glyph in face["glyphs"]:
        drawn = font.glyph(glyph["glyph"])
        if drawn is None:
            assert shown[glyph["glyph"]] is None
        else:
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown[glyph["glyph"]]))))
            assert (pixels == 255 - draw(drawn.outline, settings)).all()


@pytest.mark.parametrize("field", ["font", "file"])
def test_a_font_is_posted_in_a_form_too(service, post, small, field):
    form = service.client.post("/fonts/identify", files={field: ("a.ttf", small)})
    assert faces(form) == faces(post(small, "font/ttf"))


def test_every_face_of_a_collection_is_told(post, web_fonts, service):
    collection = web_fonts["ttc"].read_bytes()
    assert post(collection).status_code == 413  # both together have more glyphs than one may have
    assert len(faces(post(web_fonts["woff2"].read_bytes()))) == 1


def test_what_cannot_be_used_is_a_problem(service, post, small, font_dir, is_problem):
    assert "no font" in is_problem(post(b"nothing of the kind"), 422, "bad-font")["detail"]
    is_problem(post(small[:100]), 422, "bad-font")
    is_problem(post(b""), 400, "empty-body")
    is_problem(post(small, "application/zip"), 415, "unsupported-media-type")
    is_problem(post(small, model="moons"), 404, "unknown-model")
    is_problem(post(small, labels="x"), 422, "bad-label")
    is_problem(post(small, charset="\N{THAI CHARACTER KO KAI}", scripts="Latn"), 422, "no-candidates")
    for query in ({"k": 101}, {"k": 0}, {"prior": "x"}, {"timeout": -1}):
        is_problem(post(small, **query), 422, "invalid-request")
    is_problem(post(small, "multipart/form-data; boundary=b"), 400, "malformed-body")
    for files in ({"image": ("a", small)}, [("font", ("a", small)), ("file", ("b", small))]):
        is_problem(service.client.post("/fonts/identify", files=files), 422, "invalid-request")
    is_problem(service.client.post("/fonts/identify", files={"font": ("a", b"")}), 400, "empty-body")
    large = is_problem(post(bytes(2**23 + 1)), 413, "body-too-large")
    assert (large["limit"], large["unit"]) == (2**23, "bytes")
    many = is_problem(post((font_dir / "naskh.ttf").read_bytes()), 413, "too-many-glyphs")
    assert (many["limit"], many["unit"]) == (MOST, "glyphs")
    assert "glyphery identify" in many["detail"]
    is_problem(post(small, timeout=1e-6), 504, "too-late")
    assert faces(post(small))


def test_models_that_see_glyphs_otherwise_take_turns(post, small):
    first = [post(small, model=name).json() for name in ("levit_128s", "stars")]
    assert [post(small, model=name).json() for name in ("levit_128s", "stars")] == first
    assert [answer["model"]["name"] for answer in first] == ["levit_128s", "stars"]


def test_pictures_are_answered_while_a_font_is_identified(service, post, sans, picture):
    with ThreadPoolExecutor(1) as others:
        asked, answered = others.submit(post, sans, k=100), 0
        while not asked.done():
            assert service.client.post("/classify?model=stars", content=picture("65")).status_code == 200
            answered += 1
        assert faces(asked.result())
    assert answered > 1


@pytest.fixture
def halted(service, post, small):
    """The process that reads fonts stands still, until it is continued."""
    expected = faces(post(small))
    pid = sandbox_of(service).pid
    os.kill(pid, signal.SIGSTOP)
    yield lambda: os.kill(pid, signal.SIGCONT)
    eventually(lambda: not service.app.state.identifier.fonts.inside)
    assert faces(post(small)) == expected


def test_a_model_that_is_replaced_meanwhile_answers_to_the_end(service, post, small, halted):
    models = service.engine.models
    old, new = models.find(), ServedModel.load(Path(f"{default_bundle()}@int8"))
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(post, small)
        eventually(lambda: service.app.state.identifier.fonts.inside)
        models.put(new)
        try:
            halted()
            assert asked.result().json()["model"] == old.identity != new.identity
            assert post(small).json()["model"] == new.identity
        finally:
            models.put(old)


def test_no_more_may_wait_than_fit_into_memory(service, post, small, halted, is_problem):
    with ThreadPoolExecutor(16) as others:
        asked = [others.submit(post, small) for _ in range(16)]
        eventually(lambda: service.app.state.identifier.fonts.inside == 16)
        refused = post(small)
        assert int(refused.headers["retry-after"]) == math.ceil(service.app.state.identifier.fonts.wait) > 0
        is_problem(refused, 429, "overloaded")
        assert numbers(service)["glyphery_fonts_in_flight", ""] == 16
        halted()
        first, *rest = [faces(each.result()) for each in asked]
        assert rest == [first] * 15


def test_a_process_that_does_not_answer_is_given_up_at_the_deadline(post, small, halted, is_problem):
    is_problem(post(small, timeout=0.2), 504, "too-late")


def test_a_process_that_died_is_replaced(service, post, small):
    expected, died = faces(post(small)), sandbox_of(service)
    died.kill()
    eventually(lambda: not os.path.exists(f"/proc/{died.pid}") or died.poll() is not None)
    assert faces(post(small)) == expected
    assert sandbox_of(service).pid != died.pid


@pytest.mark.usefixtures("halted")
def test_a_process_that_is_killed_at_work_makes_no_font_a_bad_one(service, post, small, is_problem):
    process = sandbox_of(service)
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(post, small)
        eventually(lambda: unread(process))
        process.kill()
        killed = asked.result()
    assert int(killed.headers["retry-after"]) > 1  # it takes more than a moment to have memory again
    assert "killed" in is_problem(killed, 503, "not-ready")["detail"]


@pytest.mark.usefixtures("halted")
def test_whoever_leaves_ends_the_work_on_their_font(service, post, sans, small):
    before = numbers(service)
    with pytest.raises(httpx.ReadTimeout):
        service.client.post("/fonts/identify", content=sans, timeout=0.2)
    eventually(lambda: not service.app.state.identifier.fonts.inside)
    assert faces(post(small, model="stars"))  # by another process: the one that was halted would say nothing
    after, name = numbers(service), "glyphery_glyphs_recognised_total"
    assert after[name, "stars"] > before[name, "stars"]
    assert after[name, "levit_128s"] == before[name, "levit_128s"]


def test_nothing_is_left_behind(serve, small):
    threads = threading.active_count()
    with serve() as running:
        assert faces(running.client.post("/fonts/identify", content=small))
        pid = sandbox_of(running).pid
        assert os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"/proc/{pid}")
    assert threading.active_count() <= threads
