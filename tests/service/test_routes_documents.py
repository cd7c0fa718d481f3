"""A PDF is repaired while its client waits, and nobody else has to."""

import base64
import io
import math
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pikepdf
import pypdfium2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bundles import default_bundle
from recognition.bundle import Bundle
from service.schemas import RepairResponse
from tests.documents.printing import SHOWN, sign, silent_pdf
from tests.service.waits import eventually, unread

DATA = Path(__file__).parents[1] / "data"
LETTERS = 63  # codes of it with ink
CODES = 64  # that the service looks at, as many as it has


@pytest.fixture(scope="module")
def service(serve):
    limits = {"max_document_codes": CODES, "max_document_bytes": 1 << 20, "max_body_bytes": 1 << 10}
    with serve(bundles=[default_bundle()], timeout=0.001, document_timeout=20.0, **limits) as running:
        yield running


@pytest.fixture
def post(service):
    def post(content, kind="application/pdf", **params):
        return service.client.post(
            "/documents/repair", content=content, headers={"content-type": kind}, params=params
        )

    return post


@pytest.fixture(scope="module")
def silent():
    return (DATA / "silent.pdf").read_bytes()


def copied(document):
    with pypdfium2.PdfDocument(document) as opened:
        return opened[0].get_textpage().get_text_range().split()


def process_of(running):
    """The process that waits for the next document, or reads one."""
    return running.app.state.repairer._reader._program.start()


def waiting(running):
    return running.app.state.repairer.documents


def test_a_document_comes_back_that_says_what_it_shows(post, silent):
    response = post(silent)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["x-glyphery-model"] == Bundle.load(default_bundle()).digest
    assert int(response.headers["x-glyphery-repaired"]) == LETTERS
    assert copied(silent) != " ".join(SHOWN).split() == copied(response.content)
    again = post(response.content)
    assert int(again.headers["x-glyphery-repaired"]) == 0
    assert again.content == response.content


def test_it_is_the_document_of_the_command_line(post, silent, tmp_path):
    out = tmp_path / "out.pdf"
    program = [sys.executable, "-m", "glyphery", "repair", DATA / "silent.pdf", "--out", out]
    subprocess.run(program, capture_output=True, timeout=120, check=True)
    assert post(silent).content == out.read_bytes()


def test_what_its_fonts_show_is_told(post, silent):
    response = post(silent, format="json", k=2)
    found = response.json()
    assert RepairResponse.model_validate(found, strict=True).model_dump() == found
    assert base64.b64decode(found["document"]) == post(silent).content
    assert (found["pages"], found["unread"], found["repaired"]) == (1, 0, LETTERS)
    [font] = found["fonts"]
    assert (font["font"], font["kind"], font["silent"]) == ("ABCDEF+Test", "Type0", LETTERS)
    assert {code["text"] for code in font["codes"]} == set("".join(SHOWN))
    assert {len(code["predictions"]) for code in font["codes"]} == {0, 2}
    whole = post(base64.b64decode(found["document"]), format="json").json()
    assert (whole["document"], whole["repaired"]) == (None, 0)


def test_signatures_are_told(post, silent):
    assert post(silent, format="json").json()["signed"] is False
    with pikepdf.open(io.BytesIO(silent)) as opened:
        sign(opened)
        opened.save(out := io.BytesIO())
    assert post(out.getvalue(), format="json").json()["signed"] is True
    assert post(out.getvalue()).headers["x-glyphery-signed"] == "true"


def test_what_is_cut_short_is_told(post, silent):
    assert post(silent, format="json").json()["damaged"] is False
    assert post(silent).headers["x-glyphery-damaged"] == "false"
    cut = silent[: len(silent) * 3 // 4]
    assert post(cut, format="json").json()["damaged"] is True
    assert post(cut).headers["x-glyphery-damaged"] == "true"


def test_pictures_are_believed_where_that_is_asked_for(post, silent):
    opened, out = pikepdf.open(io.BytesIO(post(silent).content)), io.BytesIO()
    font = opened.pages[0].Resources.Font.F
    lie = font.ToUnicode.read_bytes().replace(
        b"<0062>", b"<0021>"
    )  # every b is said to be an exclamation mark
    font.ToUnicode = opened.make_stream(lie)
    opened.save(out)
    document = out.getvalue()
    assert "!" in "".join(copied(document))
    told = post(document, format="json").json()
    assert (told["document"], told["fonts"][0]["contradicted"]) == (None, 1)
    assert copied(post(document, all=True).content) == " ".join(SHOWN).split()


@pytest.mark.parametrize("field", ["document", "file"])
def test_a_document_is_posted_in_a_form_too(service, post, silent, field):
    form = service.client.post("/documents/repair", files={field: ("a.pdf", silent)})
    assert form.content == post(silent).content == post(silent, "application/octet-stream").content


def test_what_cannot_be_used_is_a_problem(service, post, silent, font_dir, is_problem, tmp_path):
    assert "no PDF" in is_problem(post(b"nothing of the kind"), 422, "bad-document")["detail"]
    is_problem(post(silent[:50]), 422, "bad-document")
    is_problem(post(b""), 400, "empty-body")
    is_problem(post(silent, "font/ttf"), 415, "unsupported-media-type")
    is_problem(post(silent, model="moons"), 404, "unknown-model")
    is_problem(post(silent, scripts="Xyzz"), 422, "no-candidates")
    for query in ({"k": 9}, {"k": 0}, {"format": "x"}, {"timeout": -1}, {"all": "x"}, {"scripts": "x"}):
        is_problem(post(silent, **query), 422, "invalid-request")
    is_problem(post(silent, "multipart/form-data; boundary=b"), 400, "malformed-body")
    for files in ({"font": ("a", silent)}, [("document", ("a", silent)), ("file", ("b", silent))]):
        is_problem(service.client.post("/documents/repair", files=files), 422, "invalid-request")
    large = is_problem(post(bytes((1 << 20) + 1)), 413, "body-too-large")
    assert (large["limit"], large["unit"]) == (1 << 20, "bytes")
    letters = "".join(map(chr, range(0x21, 0x7F)))
    more = silent_pdf(tmp_path / "a.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", [letters])
    many = is_problem(post(more.read_bytes()), 413, "too-many-codes")
    assert (many["limit"], many["unit"]) == (CODES, "codes")
    assert "glyphery repair" in many["detail"]
    with pikepdf.open(io.BytesIO(silent)) as opened:
        opened.save(tmp_path / "b.pdf", encryption=pikepdf.Encryption(owner="o", user="u"))
    assert "password" in is_problem(post((tmp_path / "b.pdf").read_bytes()), 422, "bad-document")["detail"]
    is_problem(post(silent, timeout=1e-6), 504, "too-late")
    assert post(silent).status_code == 200


def test_what_a_font_is_called_may_be_anything(post, silent):
    opened, out = pikepdf.open(io.BytesIO(silent)), io.BytesIO()
    opened.pages[0].Resources.Font.F.BaseFont = pikepdf.Name("/A\x1b[31m\xff<b>")
    opened.save(out)
    [font] = post(out.getvalue(), format="json").json()["fonts"]
    assert font["font"].startswith("A")
    assert font["repaired"] == LETTERS


@pytest.fixture
def halted(service, post, silent):
    """The process that reads documents stands still, until it is continued."""
    assert post(silent).status_code == 200
    eventually(lambda: not waiting(service).inside and not service.app.state.repairer._reader._used)
    process = process_of(service)
    process.send_signal(signal.SIGSTOP)
    yield process
    eventually(lambda: not waiting(service).inside)
    assert post(silent).status_code == 200


def test_others_are_answered_while_a_document_is_at_work(service, post, silent, halted):
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(post, silent)
        eventually(lambda: unread(halted))
        answers = [service.client.get("/healthz"), service.client.get("/models")]
        assert [answer.status_code for answer in answers] == [200, 200]
        halted.send_signal(signal.SIGCONT)
        assert asked.result().status_code == 200


def test_no_more_may_wait_than_fit_into_memory(service, post, silent, halted, is_problem):
    with ThreadPoolExecutor(4) as others:
        asked = [others.submit(post, silent) for _ in range(4)]
        eventually(lambda: waiting(service).inside == 4)
        refused = post(silent)
        assert int(refused.headers["retry-after"]) == math.ceil(waiting(service).wait) > 0
        is_problem(refused, 429, "overloaded")
        [(inside,)] = [
            [sample.value for sample in family.samples]
            for family in text_string_to_metric_families(service.client.get("/metrics").text)
            if family.name == "glyphery_documents_in_flight"
        ]
        assert inside == 4
        halted.send_signal(signal.SIGCONT)
        first, *rest = [each.result().content for each in asked]
        assert rest == [first] * 3


def test_a_process_that_does_not_answer_is_given_up_at_the_deadline(post, silent, halted, is_problem):
    is_problem(post(silent, timeout=0.2), 504, "too-late")


def test_a_process_that_is_killed_at_work_makes_no_document_a_bad_one(post, silent, halted, is_problem):
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(post, silent)
        eventually(lambda: unread(halted))
        halted.kill()
        killed = asked.result()
    assert int(killed.headers["retry-after"]) > 1
    assert "killed" in is_problem(killed, 503, "not-ready")["detail"]


def test_whoever_leaves_ends_the_work_on_their_document(service, silent, halted):
    with pytest.raises(httpx.ReadTimeout):
        service.client.post("/documents/repair", content=silent, timeout=0.2)
    eventually(lambda: not waiting(service).inside)
    eventually(lambda: halted.poll() is not None)


def test_what_a_service_that_ends_no_longer_waits_for_is_told_so(serve, silent, is_problem):
    with ThreadPoolExecutor(1) as others:
        with serve(bundles=[default_bundle()], drain=1) as running:
            reader = process_of(running)
            reader.send_signal(signal.SIGSTOP)
            asked = others.submit(httpx.post, f"{running.url}/documents/repair", content=silent, timeout=30)
            eventually(lambda: unread(reader))
        assert "shutting down" in is_problem(asked.result(), 503, "not-ready")["detail"]
        assert int(asked.result().headers["retry-after"]) > 0
    assert reader.poll() is not None


def test_nothing_is_left_behind(serve, silent):
    threads = threading.active_count()
    with serve(bundles=[default_bundle()]) as running:
        assert running.client.post("/documents/repair", content=silent).status_code == 200
        eventually(lambda: not running.app.state.repairer._reader._used)
        pid = process_of(running).pid
        assert os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"/proc/{pid}")
    assert threading.active_count() <= threads
