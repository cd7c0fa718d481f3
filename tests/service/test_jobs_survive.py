"""A job goes on where it was, however the service ended, and comes to what it would have come to."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from service.jobs.files import holding, runner_lock
from tests.service.test_processes import eventually, serving

FONTS = 50
EAGER = {"GLYPHERY_JOB_NICE": "0"}


def ask(service, method, path, **kwargs):
    return httpx.request(
        method, f"http://127.0.0.1:{service.port}{path}", trust_env=False, timeout=30, **kwargs
    )


def post(service, font_dir):
    names = ("phagspa.ttf", "mono.otf", "sans.ttf", "naskh.ttf")
    files = [
        ("font", (f"{i:02}-{names[i % 4]}", (font_dir / names[i % 4]).read_bytes())) for i in range(FONTS)
    ]
    response = ask(service, "POST", "/fonts/score", files=files)
    assert response.status_code == 202, response.text
    return response.json()["links"]["self"]


def wait(service, path, enough):
    until = time.monotonic() + 120
    while True:
        answer = ask(service, "GET", path)
        assert answer.status_code == 200, (answer.text, service.log)
        if enough(job := answer.json()):
            return job
        assert time.monotonic() < until, (job, service.log)
        time.sleep(0.03)


def finish(service, path):
    job = wait(service, path, lambda job: job["status"] not in ("queued", "running"))
    assert (job["status"], job["fonts"]["done"]) == ("done", FONTS)
    return job


def outcome(service, path, folder):
    """All that has come of a job, in bytes."""
    reports = {
        form: ask(service, "GET", f"{path}/report", params={"format": form}).content
        for form in ("jsonl", "json", "csv", "md", "html")
    }
    scores = {file.name: file.read_bytes() for file in folder.glob("*/scores/*")}
    assert len(scores) == FONTS
    return reports | scores


def processes_of(folder):
    """Ids of all that were started for a folder of jobs, whoever their parents are now."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and f"GLYPHERY_JOBS={folder}".encode() in (
                (process / "environ").read_bytes().split(b"\0")
            ):
                found.append(int(process.name))
    return found


@pytest.fixture(scope="module")
def undisturbed(bundle, font_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    with serving(bundle, folder, GLYPHERY_JOBS=str(folder / "jobs"), **EAGER) as service:
        path = post(service, font_dir)
        finish(service, path)
        return outcome(service, path, folder / "jobs")


def test_a_job_survives_that_the_service_is_killed_three_times(bundle, font_dir, tmp_path, undisturbed):
    jobs = tmp_path / "jobs"
    path, done = "", 0
    for _ in range(3):
        with serving(bundle, tmp_path, GLYPHERY_JOBS=str(jobs), **EAGER) as service:
            path = path or post(service, font_dir)
            job = wait(service, path, lambda job, before=done: job["fonts"]["done"] >= before + 4)
            assert job["status"] == "running"
            assert job["fonts"]["done"] >= done  # nothing that was done is done again
            done = job["fonts"]["done"]
            service.process.kill()
            service.process.wait()
        eventually(lambda: processes_of(jobs) == [])  # nothing is left behind
    with serving(bundle, tmp_path, GLYPHERY_JOBS=str(jobs), **EAGER) as service:
        finish(service, path)
        assert outcome(service, path, jobs) == undisturbed
        service.process.send_signal(signal.SIGTERM)
        assert service.end() in (0, -signal.SIGTERM)
        assert "Traceback" not in service.log
    assert processes_of(jobs) == []


def test_a_job_survives_that_its_runner_is_killed(bundle, font_dir, tmp_path, undisturbed):
    jobs = tmp_path / "jobs"
    with serving(bundle, tmp_path, GLYPHERY_JOBS=str(jobs), **EAGER) as service:
        path = post(service, font_dir)
        wait(service, path, lambda job: job["fonts"]["done"] >= 5)
        [runner] = [
            pid
            for pid in processes_of(jobs)
            if b"service.jobs.runner" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(runner, signal.SIGKILL)
        finish(service, path)
        assert outcome(service, path, jobs) == undisturbed
        assert "the runner of jobs died (-9)" in service.log


def test_of_several_processes_another_takes_the_job_over(bundle, font_dir, tmp_path, undisturbed):
    jobs = tmp_path / "jobs"
    with serving(bundle, tmp_path, "--processes", "2", GLYPHERY_JOBS=str(jobs), **EAGER) as service:
        service.wait_for("Application startup complete", 2)
        path = post(service, font_dir)
        for number in range(2):
            wait(service, path, lambda job, n=number: job["fonts"]["done"] >= 5 * (n + 1))
            os.kill(service.workers[number], signal.SIGKILL)
            service.wait_for("Application startup complete", 3 + number)
        finish(service, path)
        assert outcome(service, path, jobs) == undisturbed
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
    assert processes_of(jobs) == []


def test_a_service_that_is_told_to_stop_does_not_wait_for_who_follows_a_job(bundle, font_dir, tmp_path):
    jobs = tmp_path / "jobs"
    with serving(bundle, tmp_path, GLYPHERY_JOBS=str(jobs), **EAGER) as service:
        path = post(service, font_dir)
        url = f"http://127.0.0.1:{service.port}{path}"
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("GET", f"{url}/events") as told,
            client.stream("GET", f"{url}/results?follow=true") as results,
        ):
            events = told.iter_lines()
            while not next(events).startswith("event: font"):
                pass
            service.process.send_signal(signal.SIGTERM)
            for _ in events:  # both end as they should
                pass
            results.read()
        assert service.end() in (0, -signal.SIGTERM)
        assert "timeout graceful shutdown exceeded" not in service.log
        assert "Traceback" not in service.log
    assert processes_of(jobs) == []
    with holding(runner_lock(jobs)) as is_free:
        assert is_free
