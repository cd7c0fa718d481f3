"""The engine: one model loaded whole, bounded waiting, an orderly end."""

import asyncio
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import pytest

from glyphs.errors import BadBundle, BadIndex
from glyphs.labels import Label
from index.pictures import Pictures
from index.references import References
from index.search import ReferenceIndex
from recognition.bundle import Bundle, seal
from service.engine import Engine
from service.errors import NotReady, Overloaded
from service.models import Context, Models, ServedModel
from service.reading import PostedGlyph
from service.settings import Settings


@pytest.fixture(scope="module")
def model(bundle):
    return ServedModel.load(bundle)


def test_a_model_has_its_index_with_it(model, bundle_without_index):
    assert (model.has_index, model.references) == (True, 30)
    plain = ServedModel.load(bundle_without_index)
    assert (plain.has_index, plain.references) == (False, 0)
    assert plain.identity["digest"] != model.identity["digest"]


@pytest.mark.parametrize(
    "name", ["model.onnx", "labels.json", "equivalence.json", "index.faiss", "references.npz", "pictures.bin"]
)
def test_an_altered_file_is_refused(bundle, tmp_path, name):
    folder = shutil.copytree(bundle, tmp_path / "altered")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BadBundle, match=name):
        ServedModel.load(folder)


def test_an_index_of_another_width_is_refused(bundle, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "narrow")
    references = References([Label(65)], ["F"], ["R"], Pictures.of(np.zeros((1, 48, 48), np.uint8)))
    ReferenceIndex.build(np.ones((1, 64), np.float32) / 8, references).save(folder)
    seal(folder, Bundle.load(bundle).manifest)
    with pytest.raises(BadIndex, match="64 numbers"):
        ServedModel.load(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
def test_a_model_that_is_loaded_at_work_lets_answers_go_first(bundle):
    model = asyncio.run(ServedModel.load_aside(bundle))
    assert model.digest == Bundle.load(bundle).digest
    [loader] = [thread for thread in threading.enumerate() if thread.name.startswith("load-model")]
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, loader.native_id) > min(18, ours)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


def test_candidates_of_equal_contexts_are_made_once(model):
    first = Context(scripts=frozenset({"Latn", "Grek"}))
    again = Context(scripts=frozenset({"Grek", "Latn"}))
    assert model.candidates(first) is model.candidates(again)
    assert model.candidates(first) is not model.candidates(Context())


def test_a_job_beyond_the_waiting_room_is_refused_at_once_and_room_returns(model, bundle):
    async def try_out() -> None:
        engine = Engine(Models([model]), Settings(bundles=[bundle], executors=1, max_waiting=2))
        go_on = threading.Event()
        held = [asyncio.create_task(engine.run(model, lambda _: go_on.wait(10))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await engine.run(model, lambda _: True)
        go_on.set()
        assert await asyncio.gather(*held) == [True] * 3
        assert await engine.run(model, lambda served: served is model)
        engine.close()

    asyncio.run(try_out())


def test_a_waiter_that_gives_up_frees_its_place_but_not_a_working_thread(model, bundle):
    async def try_out() -> None:
        engine = Engine(Models([model]), Settings(bundles=[bundle], executors=1, max_waiting=1))
        go_on, done = threading.Event(), []
        working = asyncio.create_task(engine.run(model, lambda _: go_on.wait(10)))
        waiting = asyncio.create_task(engine.run(model, lambda _: done.append("waiting")))
        await asyncio.sleep(0.05)
        for task in (waiting, working):
            task.cancel()
        await asyncio.sleep(0.05)
        next_one = asyncio.create_task(engine.run(model, lambda _: done.append("next")))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):  # the thread is still busy with a job nobody waits for
            await engine.run(model, lambda _: True)
        go_on.set()
        await next_one
        assert done == ["next"]
        engine.close()

    asyncio.run(try_out())


def test_closing_finishes_what_was_begun_and_takes_no_more(model, bundle):
    async def try_out() -> None:
        engine = Engine(Models([model]), Settings(bundles=[bundle], executors=1))
        await engine.warm_up()
        assert engine.ready
        begun = asyncio.create_task(engine.run(model, lambda _: time.sleep(0.1) or "done"))
        await asyncio.sleep(0.02)
        await asyncio.to_thread(engine.close)
        assert await begun == "done"
        assert not engine.ready
        with pytest.raises(NotReady):
            await engine.run(model, lambda _: True)

    asyncio.run(try_out())


@dataclass(frozen=True)
class Told:
    """An interpretation that notes how many glyphs it is asked about at once."""

    name: str
    notes: list[tuple[str, int]] = field(compare=False)

    def __call__(self, model, answers):
        self.notes.append((self.name, len(answers)))
        if self.name == "bad":
            raise ValueError(self.name)
        return model.candidates(Context()).recognise(answers, 1)


def test_what_is_asked_alike_is_interpreted_at_once_and_each_gets_their_own(model, bundle, picture):
    labels, notes = ["65", "1593_init", "98", "65"], []
    names = ["good", "bad", "good", "good"]

    async def try_out():
        engine = Engine(Models([model]), Settings(bundles=[bundle], executors=1))
        go_on = threading.Event()
        held = asyncio.create_task(engine.run(model, lambda _: go_on.wait(10)))
        nothing = np.full(4, np.nan, np.float32)
        asked = [
            asyncio.create_task(
                engine.recognise(
                    model, PostedGlyph(picture(label), nothing), Told(name, notes),
                    lambda found: str(found.predictions[0].label),
                )
            )
            for label, name in zip(labels, names, strict=True)
        ]  # fmt: skip
        await asyncio.sleep(0.1)
        go_on.set()
        await held
        found = await asyncio.gather(*asked, return_exceptions=True)
        engine.close()
        return found

    found = asyncio.run(try_out())
    assert notes == [("good", 3), ("bad", 1)]
    assert [found[0], *found[2:]] == ["65", "98", "65"]
    assert isinstance(found[1], ValueError)


def test_overload_answers_429_at_once_and_recovers(serve, picture, is_problem):
    with serve(executors=1, max_waiting=0) as running:
        go_on, busy = threading.Event(), threading.Event()

        def hold(_: ServedModel) -> None:
            busy.set()
            go_on.wait(20)

        held = asyncio.run_coroutine_threadsafe(
            running.engine.run(running.engine.models.find(), hold), running.loop
        )
        assert busy.wait(5)
        try:
            for response in (
                running.client.post("/classify", content=picture("65")),
                running.client.post("/embed", content=picture("65")),
                running.client.get("/similar/65"),
            ):
                document = is_problem(response, 429, "overloaded")
                assert response.headers["retry-after"] == str(document["retry_after"]) == "1"
            assert running.client.get("/healthz").status_code == 200
            assert running.client.get("/readyz").status_code == 200
        finally:
            go_on.set()
        held.result(5)
        while running.engine.room.wait:  # until the executor is back
            time.sleep(0.01)
        assert running.client.post("/classify", content=picture("65")).status_code == 200


def test_many_clients_at_once_get_the_answers_they_would_get_alone(server, picture):
    labels = ["65", "98", "1593_init", "1608_isol"]
    alone = {label: server.client.post("/embed", content=picture(label)).json() for label in labels}
    with ThreadPoolExecutor(8) as clients:
        asked = [
            (label, clients.submit(server.client.post, "/embed", content=picture(label)))
            for label in labels * 20
        ]
        wait([future for _, future in asked])
    assert all(future.result().json() == alone[label] for label, future in asked)
