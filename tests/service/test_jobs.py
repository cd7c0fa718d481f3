"""Jobs: how they are followed, what comes of them, whose they are, and when they go."""

import asyncio
import io
import json
import math
import os
import sqlite3
import time
import zipfile
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from fastapi import Request

from recognition.bundle import Bundle, seal
from scoring.judge import Thresholds
from scoring.reports.summary import made_with
from scoring.verdicts import FontScore
from service.app import create_app
from service.jobs.files import JobFiles, holding, new_id, runner_lock
from service.jobs.intake import take_in
from service.jobs.record import FontDone, Pinned, PostedFont, State
from service.jobs.retention import tidy
from service.jobs.store import Store
from service.jobs.streams import Seen, events
from service.settings import Settings

SHORT = ("phagspa.ttf", "mono.otf", "sans.ttf")


@pytest.fixture(scope="module")
def service(serve, tmp_path_factory):
    with serve(jobs=tmp_path_factory.mktemp("jobs")) as running:
        yield running


@pytest.fixture(scope="module")
def client(service):
    return service.client


@pytest.fixture(scope="module")
def post(font_dir):
    def post(client, *names, times=1, **headers):
        files = [
            ("font", (f"{i}-{name}", (font_dir / name).read_bytes())) for i in range(times) for name in names
        ]
        response = client.post("/fonts/score", files=files, headers=headers)
        assert response.status_code == 202, response.text
        return response.json()["links"]["self"]

    return post


def until(condition):
    limit = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def finished(client, path):
    def look():
        job = client.get(path).json()
        return job if job["status"] not in ("queued", "running") else None

    return until(look)


@pytest.fixture(scope="module")
def done(client, post):
    path = post(client, *SHORT)
    assert finished(client, path)["status"] == "done"
    return path


def told(client, path, last=""):
    """The events of a stream up to its end: kind, id and data."""
    found = []
    with client.stream("GET", f"{path}/events", headers={"last-event-id": last}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        event = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                found.append((event["event"], event["id"], json.loads(event["data"])))
                event = {}
    return found


def lines(client, path, **params):
    response = client.get(f"{path}/results", params=params)
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_job_tells_how_it_stands_and_what_came_of_it(client, done):
    job = client.get(done).json()
    fonts = job["fonts"]
    assert (fonts["names"], fonts["total"], fonts["done"]) == ([f"0-{name}" for name in SHORT], 3, 3)
    assert sum(fonts["counts"].values()) == 3
    assert sum(job["counts"].values()) == job["glyphs_done"] > 0
    assert job["created"] <= job["started"] <= job["finished"]
    assert (job["reason"], job["current"]) == (None, None)
    assert job["model"]["digest"] == client.get("/models").json()["models"][0]["digest"]
    assert job["lines"] == len(lines(client, done))


def test_results_are_the_verdicts_in_the_order_of_the_fonts(client, done):
    found = lines(client, done)
    assert list(dict.fromkeys(line["font"] for line in found)) == [f"0-{name}" for name in SHORT]
    assert {"codepoint", "status", "check", "message", "probability", "top"} <= set(found[0])
    assert lines(client, done, start=1) == found[1:]
    assert lines(client, done, start=len(found) - 1, follow=True) == found[-1:]
    assert lines(client, done, start=len(found)) == []


def test_every_report_of_a_job(client, done, post, bundle, is_problem):
    def report(form):
        response = client.get(f"{done}/report", params={"format": form})
        assert response.status_code == 200
        return response

    assert report("jsonl").text == client.get(f"{done}/results").text
    summary = report("json").json()
    assert len(summary["fonts"]) == 3
    assert summary["made_with"] == made_with(Bundle.load(bundle), Thresholds())
    assert report("csv").text.startswith("font,")
    assert report("md").headers["content-type"].startswith("text/markdown")
    pages = report("html")
    assert pages.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(pages.content)) as archive:
        assert "index.html" in archive.namelist()
        assert len(archive.namelist()) == 4
    is_problem(client.get(f"{done}/report?format=pdf"), 422, "invalid-request")
    alone = post(client, "mono.otf")
    finished(client, alone)
    page = client.get(f"{alone}/report?format=html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "0-mono.otf" in page.text


def test_events_tell_of_every_font_and_of_the_end(client, post):
    path = post(client, "phagspa.ttf", "mono.otf", times=3)
    found = told(client, path)
    fonts = [data for kind, _, data in found if kind == "font"]
    assert [font["number"] for font in fonts] == [1, 2, 3, 4, 5, 6]
    kind, last, job = found[-1]
    assert kind == "end"
    assert job == client.get(path).json()
    assert len({id for _, id, _ in found}) == len(found)
    # Whoever lost the connection goes on where they were.
    for place, (_, id, _) in enumerate(found[:-1]):
        again = told(client, path, id)
        rest = [data for kind, _, data in found[place + 1 :] if kind == "font"]
        assert [data for kind, _, data in again if kind == "font"] == rest
        assert again[-1] == found[-1]
    assert client.get(f"{path}/events", headers={"last-event-id": last}).status_code == 204
    assert told(client, path, "nonsense")[-1] == found[-1]


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=9-0", "bytes=99999999-", "lines=1-2", "nonsense"])
def test_a_report_is_sent_whole_whatever_range_of_it_is_asked_for(client, done, asked):
    whole = client.get(f"{done}/report")
    answer = client.get(f"{done}/report", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, whole.content)
    assert answer.headers["accept-ranges"] == "none"


def test_results_are_followed_while_they_come(client, post):
    path = post(client, "phagspa.ttf", "mono.otf", times=4)
    with client.stream("GET", f"{path}/results?follow=true") as response:
        text = "".join(response.iter_text())
    job = client.get(path).json()
    assert job["status"] == "done"
    assert len(text.splitlines()) == job["lines"]
    assert text == client.get(f"{path}/results").text


def test_a_job_that_runs_is_cancelled_and_the_next_goes_on(client, service, post, is_problem):
    long, waiting, short = post(client, *SHORT, times=60), post(client, *SHORT), post(client, "mono.otf")
    until(lambda: client.get(long).json()["fonts"]["done"] >= 2)
    is_problem(client.get(f"{long}/report"), 409, "job-not-done")
    for path in (waiting, long):
        answer = client.delete(path)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert finished(client, short)["status"] == "done"
    job = client.get(long).json()
    assert (job["status"], job["current"]) == ("cancelled", None)
    assert 2 <= job["fonts"]["done"] < 180
    assert len(lines(client, long, follow=True)) == job["lines"]
    assert is_problem(client.get(f"{long}/report"), 409, "job-not-done")["detail"].count("cancelled")
    assert told(client, long)[-1][0] == "end"
    folder = service.app.state.settings.jobs / job["id"]
    assert not (folder / "fonts").exists()
    assert client.delete(long).status_code == 204
    assert not folder.exists()
    is_problem(client.get(long), 404, "unknown-job")


def test_a_job_that_is_finished_can_be_kept_from_whoever_cancels_it(client, post):
    path = post(client, "mono.otf")
    assert finished(client, path)["status"] == "done"
    answer = client.delete(f"{path}?keep=true")
    assert (answer.status_code, answer.json()) == (200, client.get(path).json())
    assert client.get(f"{path}/report").status_code == 200
    assert client.delete(path).status_code == 204


def test_a_job_names_its_first_fonts(client, post):
    path = post(client, "phagspa.ttf", "mono.otf", times=2)
    for job in (client.get(path).json(), client.get("/jobs?limit=1").json()["jobs"][0]):
        fonts = job["fonts"]
        assert (fonts["names"], fonts["total"]) == (["0-phagspa.ttf", "0-mono.otf", "1-phagspa.ttf"], 4)


def test_jobs_are_listed_in_pages_the_newest_first(client, post):
    paths = [post(client, "mono.otf") for _ in range(3)]
    first = client.get("/jobs?limit=2").json()
    assert [job["links"]["self"] for job in first["jobs"]] == paths[:0:-1]
    second = client.get(first["next"]).json()
    assert second["jobs"][0]["links"]["self"] == paths[0]
    every = client.get("/jobs?limit=100").json()
    assert every["next"] is None
    created = [job["created"] for job in every["jobs"]]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("rest", ["", "/events", "/results", "/report"])
def test_a_job_that_is_none_is_unknown(client, is_problem, rest):
    for id in ("5e0d8a6f2b9c4c7f9d3e1a0b6c5d4e3f", "%2e%2e", "jobs.db", "'; DROP TABLE jobs"):
        is_problem(client.get(f"/jobs/{id}{rest}"), 404, "unknown-job")
    is_problem(client.delete("/jobs/nothing"), 404, "unknown-job")


def test_a_job_belongs_to_the_key_it_was_posted_with(serve, post, tmp_path, is_problem):
    keys = tmp_path / "keys"
    hashes = {name: sha256(name.encode()).hexdigest() for name in ("press", "other")}
    keys.write_text("".join(f"{name}:{digest}\n" for name, digest in hashes.items()))
    with serve(jobs=tmp_path / "jobs", keys=keys) as running:
        client, other = running.client, {"x-api-key": "other"}
        path = post(client, "mono.otf", **{"x-api-key": "press"})
        client.headers["x-api-key"] = "press"
        assert finished(client, path)["status"] == "done"
        for rest in ("", "/events", "/results", "/report"):
            is_problem(client.get(f"{path}{rest}", headers=other), 404, "unknown-job")
        is_problem(client.delete(path, headers=other), 404, "unknown-job")
        assert client.get("/jobs", headers=other).json()["jobs"] == []
        assert len(client.get("/jobs").json()["jobs"]) == 1
        del client.headers["x-api-key"]
        is_problem(client.get(path), 401, "unauthorized")


def test_a_job_whose_bundle_is_no_longer_there_fails_and_says_so(serve, post, bundle, tmp_path):
    mine = tmp_path / "bundle"
    mine.mkdir()
    for file in bundle.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    with serve(jobs=tmp_path / "jobs", bundles=[mine]) as running:
        seal(mine, replace(Bundle.load(bundle).manifest, version="2.0"))
        path = post(running.client, "mono.otf")
        job = finished(running.client, path)
        assert job["status"] == "failed"
        assert job["model"]["version"] == "1.0"
        assert job["model"]["digest"] in job["reason"]
        assert "no longer there" in job["reason"]
        assert running.client.get(f"{path}/report").status_code == 409


def test_without_a_folder_there_are_no_jobs_and_everything_else(serve, picture, tmp_path, is_problem, caplog):
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file" / "jobs"):
        with serve(jobs=folder) as running:
            is_problem(running.client.post("/fonts/score", content=b"x"), 404, "no-jobs")
            is_problem(running.client.get("/jobs"), 404, "no-jobs")
            is_problem(running.client.get("/jobs/x/events"), 404, "no-jobs")
            assert running.client.post("/classify", content=picture("65")).status_code == 200
    assert "no jobs are taken, for" in caplog.text


def test_one_runner_works_for_all_services_of_a_folder(serve, post, tmp_path):
    with serve(jobs=tmp_path) as one, serve(jobs=tmp_path) as other:
        paths = [post(running.client, "mono.otf", times=5) for running in (one, other) * 2]
        for path in paths:
            assert finished(one.client, path)["status"] == "done"
            assert told(other.client, path)[-1][0] == "end"
        runners = [running.app.state.desk.keeper._runner for running in (one, other)]
        assert sum(runner is not None and runner.poll() is None for runner in runners) <= 1
        starts = [job["started"] for job in one.client.get("/jobs").json()["jobs"]]
        ends = [job["finished"] for job in one.client.get("/jobs").json()["jobs"]]
        assert all(end <= start for start, end in zip(starts, ends[1:], strict=False))  # never two at once


def test_a_runner_that_dies_is_replaced(serve, post, tmp_path):
    with serve(jobs=tmp_path) as running:
        path = post(running.client, *SHORT, times=10)
        until(lambda: running.client.get(path).json()["fonts"]["done"] >= 1)
        running.app.state.desk.keeper._runner.kill()
        assert finished(running.client, path)["status"] == "done"


def test_a_service_that_ends_takes_its_runner_with_it(serve, post, tmp_path):
    with serve(jobs=tmp_path) as running:
        path = post(running.client, *SHORT, times=20)
        until(lambda: running.client.get(path).json()["fonts"]["done"] >= 1)
    with holding(runner_lock(tmp_path)) as is_free:
        assert is_free
    with serve(jobs=tmp_path) as running:
        assert finished(running.client, path)["status"] == "done"


def test_metrics_tell_of_jobs(client, done):
    text = client.get("/metrics").text
    assert 'glyphery_jobs{status="queued"} 0.0' in text
    assert 'glyphery_jobs_finished_total{status="done"}' in text
    assert "glyphery_fonts_scored_total{" in text
    assert "glyphery_glyphs_scored_total{" in text


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "jobs")


@pytest.fixture
def kept(store):
    """Makes finished jobs of a size."""

    def make(id, bytes=1000, state=State.DONE):
        files = JobFiles(store.folder, id)
        files.make()
        job = store.add(id, "", Pinned("m", "1", "d", "/m"), [PostedFont(1, "a", bytes)], [], 100)
        if state in (State.DONE, State.CANCELLED):
            store.finish(job, state, bytes=bytes)
        return files

    return make


def test_jobs_that_are_too_old_too_many_or_too_large_go(store, kept):
    def left(**settings):
        tidy(store, Settings(jobs=store.folder, **settings))
        found = {path.name for path in store.folder.iterdir() if path.is_dir()}
        assert found == {job.id for job in store.newest("", 100, None)}
        return found

    for id in "abcdef":
        kept(id)
    kept("waiting", state=State.QUEUED)
    assert left() == {*"abcdef", "waiting"}
    assert left(max_jobs_bytes=5500) == {*"cdef", "waiting"}
    assert left(max_finished_jobs=2) == {*"ef", "waiting"}
    assert left(job_retention=0) == {"waiting"}


def test_what_was_left_behind_goes_and_what_still_comes_in_does_not(store, kept):
    cancelled = kept("cancelled", state=State.CANCELLED)
    broken_off, arriving, new = (JobFiles(store.folder, new_id()) for _ in range(3))
    for files in (broken_off, arriving, new):
        files.make()
    for files in (broken_off, arriving):
        os.utime(files.folder, (0, 0))
    with holding(arriving.folder) as mine:
        assert mine
        tidy(store, Settings(jobs=store.folder))
        assert arriving.arriving.exists()
        assert not broken_off.folder.exists()
        assert cancelled.folder.exists()
        assert not cancelled.fonts.exists()
    tidy(store, Settings(jobs=store.folder))
    assert not arriving.folder.exists()
    assert new.arriving.exists()  # who has just made it may not hold it yet


def test_what_somebody_else_keeps_in_the_folder_stays(store):
    others = [store.folder / name / "file" for name in ("lost+found", ".snapshots", "0" * 31, "A" * 32)]
    for file in others:
        file.parent.mkdir()
        file.touch()
    tidy(store, Settings(jobs=store.folder))
    assert all(file.exists() for file in others)


def test_nothing_is_left_of_a_job_that_is_entered_as_its_client_leaves(store):
    settings, model = Settings(jobs=store.folder), Pinned("m", "1", "d", "/m")
    scope = {"type": "http", "app": create_app(settings), "headers": [(b"content-type", b"font/ttf")]}

    async def receive():
        return {"type": "http.request", "body": b"a font"}

    async def leave(database):
        request = Request(scope, receive)
        taking = asyncio.create_task(take_in(request, store, settings, model=model, owner="", name="a.ttf"))
        while not list(store.folder.glob("*/fonts/*")):
            await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.sleep(0.01)
        assert not taking.done()  # for the database is not free
        database.rollback()
        with pytest.raises(asyncio.CancelledError):
            await taking

    with closing(sqlite3.connect(store.folder / "jobs.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        asyncio.run(leave(database))
    assert store.newest("", 10, None) == []
    assert [path for path in store.folder.iterdir() if path.is_dir()] == []


def test_the_store_counts_what_is_done_once(store, kept):
    kept("a", state=State.QUEUED)
    job = store.next()
    assert job.id == "a"
    assert store.next().started == job.started  # a job that was left behind has begun already
    assert store.font_done(job, FontDone(1, "a", "FAIL", {"PASS": 3, "FAIL": 1}, 4))
    assert store.fonts_left(job) == []
    assert store.finish(job, State.DONE)
    assert not store.finish(job, State.CANCELLED)
    assert not store.progress(job, None)
    assert not store.font_done(job, FontDone(1, "a", "FAIL", {"PASS": 3}, 4))
    assert store.totals() == {("jobs", "done"): 1, ("fonts", "FAIL"): 1, ("glyphs", "PASS"): 3,
                              ("glyphs", "FAIL"): 1}  # fmt: skip


class Overtaken(Store):
    """Of whose job one font more is done whenever somebody has looked how far it is."""

    def find(self, id):
        found = super().find(id)
        left = self.fonts_left(found)
        if left:
            self.font_done(found, FontDone(left[0][0].number, left[0][0].name, "PASS", {"PASS": 1}, 1))
        else:
            self.finish(found, State.DONE)
        return found


def test_a_font_that_is_done_while_somebody_looks_is_told_once(tmp_path):
    store = Overtaken(tmp_path / "jobs")
    fonts = [PostedFont(number, f"{number}.ttf", 1) for number in (1, 2, 3)]
    store.add("a", "", Pinned("m", "1", "d", "/m"), fonts, [], 100)
    job = store.next()

    async def told():
        return [event async for event in events(store, job, Seen(), lambda: False)]

    found = [event.decode().splitlines() for event in asyncio.run(told())]
    numbers = [json.loads(lines[2][6:])["number"] for lines in found if lines[0] == "event: font"]
    assert numbers == [1, 2, 3]
    assert found[-1][0] == "event: end"
    ids = [lines[1] for lines in found if lines[0].startswith("event")]
    assert len(set(ids)) == len(ids)
    store.close()


def test_a_font_that_brings_the_runner_down_again_and_again_is_passed_over(store, serve, font_dir):
    files = JobFiles(store.folder, "a")
    files.make()
    font = (font_dir / "mono.otf").read_bytes()
    for number in (1, 2):
        files.font(number).write_bytes(font)
    with serve() as other:  # for its bundle
        model = other.engine.models.find()
    pinned = Pinned(**model.identity, path=str(model.bundle.path))
    store.add("a", "", pinned, [PostedFont(1, "one", 1), PostedFont(2, "two", 1)], [], 100)
    store.next()
    for _ in range(3):
        store.blame()
    with serve(jobs=store.folder) as running:
        job = finished(running.client, "/jobs/a")
    assert (job["status"], job["fonts"]["counts"]["ERROR"]) == ("done", 1)
    scores = [FontScore.from_json(files.score(number).read_text()) for number in (1, 2)]
    assert scores[0].findings[0].message.startswith("Scoring it brought the process down")
    assert scores[1].findings == ()


def fill(disk):
    """Leave no page of it free; gives the file that takes them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def test_jobs_are_cancelled_and_removed_on_a_full_disk(serve, small_disk, is_problem):
    with serve(jobs=small_disk / "jobs") as running:
        client, store = running.client, running.app.state.desk.store
        with holding(runner_lock(store.folder)):  # wherefore nobody begins with a job
            fonts, model = [PostedFont(1, "a", 1)], Pinned("m", "1", "d", "/m")
            done, waiting = (store.add(new_id(), "", model, fonts, [], 100) for _ in range(2))
            store.finish(done, State.DONE)
            fill(small_disk)
            answer = client.delete(f"/jobs/{waiting.id}")
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
            for job in (done, waiting):
                assert client.delete(f"/jobs/{job.id}").status_code == 204
                is_problem(client.get(f"/jobs/{job.id}"), 404, "unknown-job")


def test_the_end_of_a_job_for_which_there_is_no_place_is_a_problem(serve, small_disk, is_problem):
    with serve(jobs=small_disk / "jobs") as running:
        store = running.app.state.desk.store
        with holding(runner_lock(store.folder)):
            fonts = [PostedFont(number, f"{number:0200}", 1) for number in range(1, 1001)]
            job = store.add(new_id(), "", Pinned("m", "1", "d", "/m"), fonts, [], 100)
            filler = fill(small_disk)
            is_problem(running.client.delete(f"/jobs/{job.id}"), 507, "storage-full")
            filler.unlink()
            assert running.client.delete(f"/jobs/{job.id}").json()["status"] == "cancelled"


def test_jobs_may_be_kept_for_ever(serve, post, tmp_path):
    with serve(jobs=tmp_path, job_retention=math.inf) as running:
        assert finished(running.client, post(running.client, "mono.otf"))["status"] == "done"


def test_a_disk_that_is_full_makes_a_job_wait(serve, post, small_disk, tmp_path):
    with serve(jobs=small_disk / "jobs") as running:
        path = post(running.client, "sans.ttf", times=8)
        until(lambda: running.client.get(path).json()["fonts"]["done"] >= 1)
        filler = fill(small_disk)
        until(lambda: "disk is full" in (running.client.get(path).json()["reason"] or ""))
        os.truncate(filler, 0)
        assert finished(running.client, path)["status"] == "done"
        full = running.client.get(f"{path}/results").text
    with serve(jobs=tmp_path / "jobs") as running:
        path = post(running.client, "sans.ttf", times=8)
        finished(running.client, path)
        assert running.client.get(f"{path}/results").text == full
