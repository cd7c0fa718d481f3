"""Models are loaded at work: whole or not at all, and nobody who asks meanwhile notices."""

import gc
import json
import shutil
import threading
import weakref
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import pytest

from glyphs.equivalence import Equivalence
from glyphs.labels import Label
from index.references import References
from index.search import Filter, ReferenceIndex
from recognition.bundle import EQUIVALENCE, LABELS, MODEL, Bundle, Variant, model_file, seal
from service.models import Context, ServedModel

ADMIN = {"X-API-Key": "the-admins-key"}
ASKER = {"X-API-Key": "an-askers-key"}
SWAPS, THREADS = 20, 4


def moved(label: str) -> str:
    """The label that stands for this one in the other bundle."""
    codepoint, _, form = label.partition("_")
    return f"{int(codepoint) + 0x1000}{'_' * bool(form)}{form}"


@pytest.fixture(scope="module")
def other_bundle(bundle: Path) -> Path:
    """`stars` in another version: every label is another, in the model and in the index."""
    folder = shutil.copytree(bundle, bundle.with_name("stars_moved"))
    plain, index = Bundle.load(bundle), ReferenceIndex.load(bundle)
    rows = [[moved(str(label)), count] for label, count in zip(plain.labels, plain.families, strict=True)]
    (folder / LABELS).write_text(json.dumps({"labels": rows}), encoding="utf-8")
    (folder / EQUIVALENCE).write_text(Equivalence([]).to_json(), encoding="utf-8")
    references = index.references
    labels = [Label.parse(moved(str(label))) for label in references.labels]
    moved_references = References(labels, references.families, references.styles, references.pictures)
    ReferenceIndex.build(index.embeddings, moved_references).save(folder)
    seal(folder, replace(plain.manifest, version="2.0"))
    return folder


@pytest.fixture(scope="module")
def renamed_bundle(bundle_without_index: Path) -> Path:
    folder = shutil.copytree(bundle_without_index, bundle_without_index.with_name("comets"))
    seal(folder, replace(Bundle.load(bundle_without_index).manifest, name="comets"))
    return folder


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    hashes = [sha256(who["X-API-Key"].encode()).hexdigest() for who in (ADMIN, ASKER)]
    file.write_text("admin:{}:admin\nasker:{}\n".format(*hashes))
    return file


@pytest.fixture
def changing(serve, keys):
    """A server whose models may be changed; one a test."""
    with serve(keys=keys) as running:
        running.client.headers.update(ASKER)
        yield running.client


def load(client, path=None, name="stars"):
    body = {} if path is None else {"json": {"path": str(path)}}
    return client.post(f"/admin/models/{name}/load", headers=ADMIN, **body)


def labels_of(response):
    document = response.json()
    found = document.get("predictions") or document["neighbours"]
    return [entry["label"] for entry in found]


def test_a_model_takes_the_place_of_its_namesake(changing, bundle, other_bundle, picture):
    before, after = Bundle.load(bundle).digest, Bundle.load(other_bundle).digest
    answer = load(changing, other_bundle).json()
    assert (answer["digest"], answer["replaced"], answer["version"]) == (after, before, "2.0")
    [served] = changing.get("/models").json()["models"]
    assert served == {name: value for name, value in answer.items() if name != "replaced"}
    assert labels_of(changing.post("/classify", content=picture("98")))[0] == moved("98")
    assert changing.post(f"/classify?model={before}", content=picture("98")).status_code == 404


def test_without_a_path_the_folder_it_came_from_is_read_again(changing, bundle, other_bundle):
    for path in (None, other_bundle):
        load(changing, path)
        answer = load(changing).json()
        assert answer["replaced"] == answer["digest"] == Bundle.load(path or bundle).digest


def test_a_new_name_is_served_beside_the_others(changing, renamed_bundle, picture):
    answer = load(changing, renamed_bundle, "comets").json()
    assert (answer["name"], answer["replaced"]) == ("comets", None)
    assert [model["name"] for model in changing.get("/models").json()["models"]] == ["stars", "comets"]
    response = changing.post("/classify?model=comets", content=picture("98"))
    assert response.json()["model"]["name"] == "comets"
    assert changing.post("/classify", content=picture("98")).json()["model"]["name"] == "stars"


def test_a_model_is_replaced_by_itself_in_fewer_bits(changing, bundle, tmp_path, picture):
    folder = shutil.copytree(bundle, tmp_path / "stars")
    shutil.copy(folder / MODEL, folder / model_file("fp16"))
    half = Variant(temperature=2.0, known_threshold=0.0)
    seal(folder, replace(Bundle.load(bundle).manifest, variants={"fp16": half}))
    wanted = Bundle.load(folder.with_name("stars@fp16"))
    assert load(changing, wanted.address).json()["digest"] == wanted.digest
    assert load(changing).json()["replaced"] == wanted.digest  # it is loaded again as what it was
    [served] = changing.get("/models").json()["models"]
    assert (served["name"], served["precision"], served["digest"]) == ("stars", "fp16", wanted.digest)
    assert changing.post("/classify", content=picture("98")).json()["model"]["digest"] == wanted.digest


def test_what_cannot_be_served_changes_nothing(
    changing, bundle, broken_bundle, renamed_bundle, tmp_path, picture, is_problem
):
    altered = shutil.copytree(bundle, tmp_path / "altered")
    with (altered / MODEL).open("r+b") as file:
        file.write(b"oops")
    no_model = shutil.copytree(bundle, tmp_path / "no model")
    (no_model / MODEL).write_bytes(b"not ONNX")
    seal(no_model, Bundle.load(bundle).manifest)
    no_index = shutil.copytree(bundle, tmp_path / "no index")
    (no_index / "index.faiss").write_bytes(b"not FAISS")
    seal(no_index, Bundle.load(bundle).manifest)
    served = changing.get("/models").json()
    for folder in (altered, no_model, no_index, broken_bundle, renamed_bundle, tmp_path / "none", "\0"):
        is_problem(load(changing, folder), 422, "bad-bundle")
        assert changing.get("/models").json() == served
        assert labels_of(changing.post("/classify", content=picture("98")))[0] == "98"


def test_what_the_other_processes_cannot_be_told_of_is_not_served(
    serve, keys, other_bundle, tmp_path, is_problem
):
    (tmp_path / "models.new").mkdir()  # where the board would be written
    with serve(keys=keys, shared=tmp_path) as running:
        running.client.headers.update(ASKER)
        served = running.client.get("/models").json()
        is_problem(load(running.client, other_bundle), 500, "internal-error")
        assert running.client.get("/models").json() == served
        (tmp_path / "models.new").rmdir()
        assert load(running.client, other_bundle).json()["version"] == "2.0"


def test_a_request_that_names_nothing_to_load_is_a_problem(changing, is_problem):
    is_problem(load(changing, name="comets"), 404, "unknown-model")
    is_problem(
        load(changing, name=changing.get("/models").json()["models"][0]["digest"]), 404, "unknown-model"
    )
    for body in (b"[]", b"{", b'{"path": 7}', b'{"path": ""}', b'{"folder": "x"}'):
        is_problem(
            changing.post("/admin/models/stars/load", headers=ADMIN, content=body), 422, "invalid-request"
        )


def test_two_loads_at_once_come_one_after_the_other(changing, bundle, other_bundle):
    """Each answer names as replaced what the one before it put there."""
    answers = []
    threads = [
        threading.Thread(target=lambda path=path: answers.append(load(changing, path).json()))
        for path in (bundle, other_bundle) * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    put = [Bundle.load(bundle).digest, *(answer["digest"] for answer in answers)]
    replaced = [
        *(answer["replaced"] for answer in answers),
        changing.get("/models").json()["models"][0]["digest"],
    ]
    assert sorted(put) == sorted(replaced)


def test_no_request_fails_or_mixes_models_while_they_are_swapped(changing, bundle, other_bundle, picture):
    labels = {"98", "1593_isol", "1593_init", "1608_isol"}  # none of which looks like another
    expected = {
        Bundle.load(bundle).digest: {label: label for label in labels},
        Bundle.load(other_bundle).digest: {label: moved(label) for label in labels},
    }
    wrong: list[object] = []
    answered = dict.fromkeys(expected, 0)
    swapped = threading.Event()

    def ask(number: int) -> None:
        names = sorted(labels)
        count = number
        with httpx.Client(base_url=changing.base_url, headers=ASKER, trust_env=False, timeout=60) as client:
            while not swapped.is_set():
                label = names[count % len(names)]
                path = ("/classify?prior=uniform", "/similar")[count // len(names) % 2]
                response = client.post(path, content=picture(label))
                digest = response.json().get("model", {}).get("digest")
                if response.status_code != 200 or labels_of(response)[0] != expected[digest][label]:
                    wrong.append(response.text)
                else:
                    answered[digest] += 1
                count += 1

    threads = [threading.Thread(target=ask, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        for swap in range(SWAPS):
            response = load(changing, (other_bundle, bundle)[swap % 2])
            assert response.status_code == 200, response.text
    finally:
        swapped.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert all(answered.values())


def test_a_replaced_model_is_freed_at_once(bundle):
    """ONNX Runtime's and FAISS's memory is nothing that Python's cycle collector counts."""
    model = ServedModel.load(bundle)
    model.candidates(Context())
    model.index.search(np.eye(1, 128, dtype=np.float32), 1, Filter(scripts=frozenset({"Latn"})))
    found = [weakref.ref(model), weakref.ref(model.index), weakref.ref(model.recogniser)]
    gc.disable()
    try:
        del model
        assert [reference() for reference in found] == [None] * 3
    finally:
        gc.enable()
