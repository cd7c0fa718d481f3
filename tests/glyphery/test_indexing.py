"""`glyphery index` with types of index, on a tiny bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bundles import default_bundle
from glyphery.indexing import app
from glyphs.errors import BadInput
from index.search import ReferenceIndex
from recognition.bundle import Bundle, seal
from tests.conftest import FontMaker


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_how_an_index_was_built_is_in_the_manifest(bundle: Path, dataset_file: Path) -> None:
    done = run("build", bundle, "--dataset", dataset_file, "--per-label", 2)
    assert "Index: flat, 256 bytes a reference" in done.stdout
    entry = Bundle.load(bundle).manifest.index
    assert (entry["asked"], entry["kind"], entry["asked_recall"]) == ("auto", "flat", 0.99)
    assert entry["references"] == len(ReferenceIndex.load(bundle).references)


def test_no_reference_of_a_label_is_refused(bundle: Path, dataset_file: Path) -> None:
    assert run("build", bundle, "--dataset", dataset_file, "--per-label", 0).exit_code == 2


def test_a_shipped_bundle_gets_no_other_index(
    dataset_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for shipped in ("unified_mlp", default_bundle()):
        done = run("build", shipped, "--dataset", dataset_file, "--per-label", 1)
        assert isinstance(done.exception, BadInput)
    assert not list(tmp_path.iterdir())


def test_fonts_are_added_as_the_bundle_was_built(
    bundle: Path, dataset_file: Path, make_font: FontMaker
) -> None:
    font = make_font("new.ttf", "New", {0x1200: [[(0, 0), (0, 700), (700, 700), (700, 0)]]})
    flat = ("--type", "flat", "--recall", 0.9)
    assert run("build", bundle, "--dataset", dataset_file, "--per-label", 1, *flat).exit_code == 0
    told = json.loads(run("add", font, "--bundle", bundle, "--json").stdout)["index"]
    entry = Bundle.load(bundle).manifest.index
    assert told == entry
    assert (entry["asked"], entry["asked_recall"]) == ("flat", 0.9)
    # Nothing new: the index and its entry stay as they are.
    assert run("add", font, "--bundle", bundle, "--keep").exit_code == 0
    assert Bundle.load(bundle).manifest.index == entry
    # But for what is named.
    assert run("add", font, "--bundle", bundle, "--keep", "--type", "auto").exit_code == 0
    assert Bundle.load(bundle).manifest.index == {**entry, "asked": "auto"}


def test_what_is_named_stands_for_what_the_manifest_does_not_tell(bundle: Path, make_font: FontMaker) -> None:
    font = make_font("new.ttf", "New", {0x1200: [[(0, 0), (0, 700), (700, 700), (700, 0)]]})
    seal(bundle, replace(Bundle.load(bundle).manifest, index={"asked": "tree", "asked_recall": "much"}))
    assert "--type and --recall" in str(run("add", font, "--bundle", bundle).exception)
    assert run("add", font, "--bundle", bundle, "--type", "flat", "--recall", 0.9).exit_code == 0
    assert Bundle.load(bundle).manifest.index["asked"] == "flat"


@pytest.mark.parametrize(("type_", "said"), [("tree", "auto, flat, ivf"), ("ivf", "--type flat")])
def test_a_type_that_will_not_do_is_refused_and_the_bundle_left(
    bundle: Path, dataset_file: Path, type_: str, said: str
) -> None:
    before = Bundle.load(bundle).digest
    done = run("build", bundle, "--dataset", dataset_file, "--per-label", 1, "--type", type_)
    assert said in str(done.exception)
    assert Bundle.load(bundle).digest == before
