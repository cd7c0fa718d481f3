"""The Python client hands in fonts, waits for them, and reads what came of them."""

import io
import json
import os
import zipfile

import pytest

from glyphery.client import ServiceError
from glyphs.errors import BadFont, BadInput
from tests.service.test_client import Asyncio, Client, refusal, scripted


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(params=[Client, Asyncio], ids=["blocking", "asyncio"])
def asking(request, serve, tmp_path):
    with serve(jobs=tmp_path / "jobs") as running:
        yield request.param(running.url)


def test_fonts_are_scored_and_read(asking, font_dir):
    fonts = [font_dir / "mono.otf", str(font_dir / "phagspa.ttf"), ("none.ttf", b"no font")]
    job = asking.score_fonts(fonts, model="stars")
    assert job.fonts["total"] == 3
    told = []
    done = asking.wait(job, progress=told.append)
    assert (done.status, done.is_finished, done.worst) == ("done", True, "ERROR")
    assert told[-1] == done == asking.job(job.id)
    found = list(asking.results(job))
    assert len(found) == done.lines
    assert {result["font"] for result in found} == {"mono.otf", "phagspa.ttf", "none.ttf"}
    lines = [json.loads(line) for line in asking.report(job, "jsonl").splitlines()]
    assert lines == found
    assert len(json.loads(asking.report(job))["fonts"]) == 3
    with zipfile.ZipFile(io.BytesIO(asking.report(job, "html"))) as archive:
        assert "index.html" in archive.namelist()


def test_one_font_or_several(asking, font_dir):
    paths = font_dir / "mono.otf", str(font_dir / "phagspa.ttf")
    data = paths[0].read_bytes()
    for fonts, names in [
        (paths, ["mono.otf", "phagspa.ttf"]),
        (paths[0], ["mono.otf"]),
        (("a.otf", data), ["a.otf"]),
        ((("a.otf", data), ("b.otf", data)), ["a.otf", "b.otf"]),
    ]:
        job = asking.score_fonts(fonts)
        assert job.fonts["names"] == names
        asking.cancel(job)


def test_the_name_of_a_font_may_be_no_utf_8(asking, font_dir, tmp_path):
    font = tmp_path / os.fsdecode(b"\xff.otf")
    font.write_bytes((font_dir / "mono.otf").read_bytes())
    job = asking.score_fonts(font)
    assert job.fonts["names"] == ["\N{REPLACEMENT CHARACTER}.otf"]
    asking.cancel(job)


def test_results_are_read_as_they_come(asking, font_dir):
    job = asking.score_fonts([font_dir / "mono.otf"] * 10)
    found = list(asking.results(job.id))
    done = asking.job(job.id)
    assert (done.status, len(found)) == ("done", done.lines)


@pytest.mark.parametrize("kind", [Client, Asyncio])
def test_a_long_job_s_results_outlast_refusals_now_and_then(kind):
    job = {
        "id": "5e0d", "created": "", "started": None, "finished": None, "reason": None,
        "model": {"name": "m", "version": "1", "digest": "d"}, "fonts": {}, "current": None, "glyphs_done": 0,
        "counts": {}, "worst": None, "lines": 3, "skipped": [], "skipped_total": 0,
    }  # fmt: skip
    running, done = (
        (200, {}, json.dumps(job | {"status": status}).encode()) for status in ("running", "done")
    )
    round_ = [running, refusal(503), running, (200, {}, b"{}\n")]
    with scripted(*round_ * 3, done, (200, {}, b"")) as server:
        assert list(kind(server.url, retries=1).results("5e0d")) == [{}] * 3


def test_a_job_is_cancelled_and_removed(asking, font_dir):
    job = asking.score_fonts([font_dir / "sans.ttf"] * 50)
    asking.cancel(job)
    assert asking.wait(job).status == "cancelled"
    with pytest.raises(ServiceError, match="the job is cancelled") as raised:
        asking.report(job)
    assert raised.value.status == 409
    asking.cancel(job.id, keep=True)
    assert [each.id for each in asking.jobs()] == [job.id]
    asking.cancel(job.id)
    assert asking.jobs() == []
    with pytest.raises(ServiceError, match="There is no job"):
        list(asking.results(job))


def test_more_jobs_are_listed_than_an_answer_holds(asking, font_dir, monkeypatch):
    monkeypatch.setattr("glyphery.client.questions._MOST_LISTED", 2)
    posted = [asking.score_fonts(font_dir / "mono.otf").id for _ in range(5)]
    posted.reverse()
    try:
        assert [[job.id for job in asking.jobs(limit)] for limit in (2, 3, 5, 9)] == [
            posted[:2], posted[:3], posted, posted,
        ]  # fmt: skip
        with pytest.raises(ServiceError, match="limit"):
            asking.jobs(0)
    finally:
        for each in posted:
            asking.cancel(each)


def test_what_cannot_be_read_is_not_sent(asking, tmp_path):
    with pytest.raises(BadFont, match=r"nowhere\.ttf cannot be read"):
        asking.score_fonts(tmp_path / "nowhere.ttf")
    with pytest.raises(BadInput, match="no fonts"):
        asking.score_fonts([])
