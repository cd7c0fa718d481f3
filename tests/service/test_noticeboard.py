"""What the processes of a service tell one another of models that were loaded."""

import asyncio
import shutil
import time
from dataclasses import replace

import pytest

from recognition.bundle import Bundle, seal
from service.engine import Engine
from service.models import Models, ServedModel
from service.noticeboard import Noticeboard
from service.settings import Settings


@pytest.fixture
def other(bundle, tmp_path):
    """The bundle in another place, as version 2.0."""
    other = shutil.copytree(bundle, tmp_path / "other")
    seal(other, replace(Bundle.load(bundle).manifest, version="2.0"))
    return other


def test_a_bundle_that_changed_since_it_was_posted_is_not_served(bundle, other, tmp_path):
    board, models = Noticeboard(tmp_path), Models.load([bundle])
    board.post(ServedModel.load(other))
    seal(other, replace(Bundle.load(bundle).manifest, version="3.0"))
    asyncio.run(board.catch_up(models, "cpu"))
    assert models.find().identity["version"] == "1.0"
    board.post(ServedModel.load(other))
    asyncio.run(board.catch_up(models, "cpu"))
    assert models.find().identity["version"] == "3.0"


def test_what_could_not_be_read_is_tried_again_and_complained_of_once(
    bundle, other, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("service.noticeboard._EVERY", 0.01)
    board, models = Noticeboard(tmp_path), Models.load([bundle])
    board.post(ServedModel.load(other))
    away = (other / "labels.json").rename(tmp_path / "away.json")
    until = time.monotonic() + 0.2  # a twentieth of it would do for a second try
    while time.monotonic() < until:
        asyncio.run(board.catch_up(models, "cpu"))
    assert models.find().identity["version"] == "1.0"
    assert caplog.text.count("cannot be used here") == 1
    away.rename(other / "labels.json")
    while models.find().identity["version"] != "2.0":
        asyncio.run(board.catch_up(models, "cpu"))


def test_what_failed_at_work_is_not_tried_again(bundle, broken_bundle, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("service.noticeboard._EVERY", 0.0)
    board, models = Noticeboard(tmp_path), Models.load([bundle])
    folder = shutil.copytree(broken_bundle, tmp_path / "broken")
    board.post(ServedModel.load(folder))

    async def look_twice() -> None:
        engine = Engine(models, Settings(bundles=[bundle], executors=1))
        await board.catch_up(models, "cpu", engine)
        shutil.rmtree(folder)  # which would be complained of, too
        await board.catch_up(models, "cpu", engine)
        await asyncio.to_thread(engine.close)

    asyncio.run(look_twice())
    assert caplog.text.count("cannot be used here") == 1
    assert models.find().digest == Bundle.load(bundle).digest


def test_who_follows_others_gets_over_a_board_that_cannot_be_read(
    bundle, other, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("service.noticeboard._EVERY", 0.01)
    board, models = Noticeboard(tmp_path), Models.load([bundle])
    hindrance = tmp_path / "models.json"
    hindrance.mkdir()

    async def follow() -> None:
        engine = Engine(models, Settings(bundles=[bundle], executors=1))
        following = asyncio.create_task(board.follow(engine, "cpu", asyncio.Lock()))
        while "could not be looked up" not in caplog.text:
            await asyncio.sleep(0.01)
        hindrance.rmdir()
        board.post(ServedModel.load(other))
        while models.find().identity["version"] != "2.0":
            await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.to_thread(engine.close)

    asyncio.run(asyncio.wait_for(follow(), 30))
