"""A pair of models that tell discs from plates; the fast one looks at rasters half as large."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.bundle import export_bundle
from export.cascade import Joined, Outcomes, _answer_of, join, shared_pixels
from export.precision import lower
from glyphs.equivalence import Equivalence, Evidence
from glyphs.errors import BadBundle, BadInput
from glyphs.labels import Label
from glyphs.splits import Split
from recognition.bundle import EQUIVALENCE, FAST, LABELS, MODEL, PROTOTYPES, Bundle, seal
from recognition.familiarity import posterior
from recognition.recogniser import Recogniser
from training.checkpoint import load_checkpoint
from training.config import Losses
from training.data import open_source
from training.evaluation import Examined
from training.fit import train
from training.presets import TINY


@pytest.fixture(scope="module")
def pair(pictures: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The accurate bundle and the fast one; neither has seen much."""
    folder = tmp_path_factory.mktemp("pair")
    for size, samples in ((64, 24), (32, 12)):
        config = replace(
            TINY, model="residual_cnn", size=size, box=size * 7 // 8, batch=16, samples=16 * samples,
            epoch_samples=16 * samples, learning_rate=1e-3, losses=Losses(embedding="contrastive"),
        )  # fmt: skip
        checkpoint = train(pictures, folder / f"run{size}", config, progress=False)
        export_bundle(load_checkpoint(checkpoint), pictures, folder / f"of{size}")
    return folder / "of64", folder / "of32"


@pytest.fixture(scope="module")
def joined(
    pair: tuple[Path, Path], pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Joined]:
    out = tmp_path_factory.mktemp("joined") / "bundle"
    return out, join(*pair, pictures, out, name="pair", lost=0.0)


def _glyphs(pictures: Path, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    with open_source(pictures) as source:
        examined = Examined.of(source, Split.VALIDATION, bundle.labels)
        return examined.drawn(examined.table.shape, bundle.manifest.raster), examined.truth


def _with_sure(path: Path, sure: float) -> Recogniser:
    bundle = Bundle.load(path)
    assert bundle.manifest.cascade is not None
    seal(path, replace(bundle.manifest, cascade=replace(bundle.manifest.cascade, sure=sure)))
    return Recogniser(Bundle.load(path))


def test_one_bundle_answers_as_either_model_or_both_by_how_sure_the_fast_one_is(
    pair: tuple[Path, Path], joined: tuple[Path, Joined], pictures: Path
) -> None:
    path, found = joined
    bundle = Bundle.load(path)
    cascade = bundle.manifest.cascade
    assert cascade is not None
    assert cascade.sure == found.sure
    assert (bundle.manifest.name, cascade.fast["digest"]) == ("pair", Bundle.load(pair[1]).digest)
    rasters, truth = _glyphs(pictures, bundle)
    try:
        fast, both = (_with_sure(path, sure).answer(rasters) for sure in (0.0, 2.0))
        accurate = Recogniser(Bundle.load(pair[0])).answer(rasters)
        middle = float(np.median(posterior(fast.logits, bundle.log_prior, cascade.temperature).max(axis=1)))
        some = _with_sure(path, middle).answer(rasters)
    finally:
        seal(path, bundle.manifest)
    assert np.allclose(both.logits, (fast.logits + accurate.logits) / 2, atol=1e-4)
    assert np.allclose(both.embeddings, accurate.embeddings, atol=1e-5)
    stands = posterior(fast.logits, bundle.log_prior, cascade.temperature).max(axis=1) >= middle
    assert 0 < stands.sum() < len(stands)
    assert np.allclose(some.logits, np.where(stands[:, None], fast.logits, both.logits), atol=1e-4)
    assert np.allclose(some.embeddings[stands], fast.embeddings[stands], atol=1e-5)
    assert [answers.unsure for answers in (fast, both, some)] == [0, len(rasters), (~stands).sum()]
    assert np.allclose(np.linalg.norm(some.embeddings, axis=1), 1, atol=1e-5)
    best = posterior(Recogniser(bundle).answer(rasters).logits, bundle.log_prior, 1.0).argmax(axis=1)
    assert (best == truth).mean() >= max(found.fast, found.accurate) - 0.1


def test_the_fast_model_sees_what_it_would_have_drawn_itself(
    pair: tuple[Path, Path], joined: tuple[Path, Joined], pictures: Path
) -> None:
    """Squares of pixels are averaged; the embedding is turned, the logits are its own."""
    path, found = joined
    bundle, small = Bundle.load(path), Bundle.load(pair[1])
    rasters, _ = _glyphs(pictures, bundle)
    means = rasters.reshape(len(rasters), 32, 2, 32, 2).mean(axis=(2, 4))
    own = Recogniser(small).answer(np.rint(means).astype(np.uint8))
    try:
        fast = _with_sure(path, 0.0).answer(rasters)
    finally:
        seal(path, bundle.manifest)
    assert np.allclose(fast.logits, own.logits, atol=1e-4)
    assert found.cosine > 0.8  # in the accurate model's space
    accurate = Recogniser(Bundle.load(pair[0])).answer(rasters).embeddings
    assert (fast.embeddings * accurate).sum(axis=1).mean() > 0.7


def test_top1_by_how_many_answers_of_the_fast_model_stand() -> None:
    right = [np.array(row, bool) for row in ([1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1])]
    found = Outcomes(np.array([0.5, 0.9, 0.8, 0.1], np.float32), *right)
    # The surest first: glyphs 1, 2, 0, 3; both models are right on all but glyph 1.
    assert found.top1().tolist() == [0.75, 1.0, 0.75, 0.75, 0.5]


@pytest.mark.parametrize(("large", "small"), [(64, 32), (96, 64), (128, 96), (8, 8)])
def test_pixels_are_shared_out_whole(large: int, small: int) -> None:
    shares = shared_pixels(large, small)
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(shares.sum(axis=0), small / large)
    raster = np.random.default_rng(0).integers(0, 256, (large, large)).astype(np.float64)
    # What a finer grid, of which both are made, says of the same picture.
    fine = np.kron(raster, np.ones((small, small))).reshape(small, large, small, large).mean(axis=(1, 3))
    assert np.allclose(shares @ raster @ shares.T, fine, atol=1e-3)


def test_the_operating_point_is_the_most_that_may_be_lost(joined: tuple[Path, Joined]) -> None:
    _, found = joined
    assert 0 <= found.stands <= 1
    assert found.top1 >= max(found.fast, found.accurate) - 1e-9  # nothing was to be lost


def test_bundles_that_do_not_fit_are_refused_and_nothing_is_written(
    pair: tuple[Path, Path], joined: tuple[Path, Joined], pictures: Path, tmp_path: Path
) -> None:
    accurate, fast = pair
    out = tmp_path / "bundle"
    with pytest.raises(BadInput, match="cannot be averaged"):
        join(fast, accurate, pictures, out)
    with pytest.raises(BadInput, match="pair already"):
        join(joined[0], fast, pictures, out)
    with pytest.raises(BadInput, match="two models"):
        lower(joined[0], pictures, out, "fp16")
    assert not list(tmp_path.iterdir())


def _about(path: Path, labels: tuple[Label, ...], out: Path) -> Path:
    """The bundle with these of its labels alone, in this order."""
    bundle = Bundle.load(path)
    shutil.copytree(path, out)
    network = onnx.load(out / MODEL)
    _answer_of(network, bundle, labels)
    onnx.save(network, out / MODEL)
    places = [bundle.labels.index(label) for label in labels]
    rows = json.loads((out / LABELS).read_text())["labels"]
    (out / LABELS).write_text(json.dumps({"labels": [rows[place] for place in places]}))
    np.save(out / PROTOTYPES, np.load(out / PROTOTYPES)[places])
    seal(out, replace(bundle.manifest, labels=len(labels)))
    return out


def test_labels_of_another_order_are_brought_into_that_of_the_accurate_model(
    pair: tuple[Path, Path], joined: tuple[Path, Joined], pictures: Path, tmp_path: Path
) -> None:
    accurate, fast = pair
    labels = Bundle.load(accurate).labels
    turned = _about(fast, labels[::-1], tmp_path / "turned")
    assert join(accurate, turned, pictures, tmp_path / "bundle", lost=0.0) == joined[1]
    rasters, _ = _glyphs(pictures, Bundle.load(accurate))
    ours, theirs = (
        Recogniser(Bundle.load(path)).answer(rasters) for path in (tmp_path / "bundle", joined[0])
    )
    assert np.allclose(ours.logits, theirs.logits, atol=1e-4)


def test_the_pair_knows_what_both_know(
    pair: tuple[Path, Path], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accurate, fast = Path(shutil.copytree(pair[0], tmp_path / "accurate")), pair[1]
    labels = Bundle.load(accurate).labels
    alike = Equivalence([Evidence(labels[0], labels[1], "outlines")])
    (accurate / EQUIVALENCE).write_text(alike.to_json())
    seal(accurate, Bundle.load(pair[0]).manifest)
    second = labels[1:]
    small = _about(fast, second, tmp_path / "small")
    monkeypatch.setattr("export.cascade._SHARED", 0.5)
    join(accurate, small, pictures, tmp_path / "bundle")
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.labels == second
    assert not bundle.equivalence.evidence
    assert np.array_equal(bundle.prototypes, Bundle.load(accurate).prototypes[1:])
    rasters, _ = _glyphs(pictures, bundle)
    accurate_logits = Recogniser(Bundle.load(accurate)).answer(rasters).logits
    both = _with_sure(bundle.path, 2.0).answer(rasters).logits
    fast_logits = _with_sure(bundle.path, 0.0).answer(rasters).logits
    assert np.allclose(both, (fast_logits + accurate_logits[:, 1:]) / 2, atol=1e-4)


def test_bundles_of_other_labels_are_refused(
    pair: tuple[Path, Path], tiny_bundle: Bundle, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="different labels"):
        join(tiny_bundle.path, pair[1], pictures, tmp_path / "bundle")


def test_a_bundle_without_the_model_that_it_announces_is_refused(
    joined: tuple[Path, Joined], tmp_path: Path
) -> None:
    path = shutil.copytree(joined[0], tmp_path / "bundle")
    (path / FAST).unlink()
    with pytest.raises(BadBundle, match=FAST):
        Bundle.load(path)
    seal(path, Bundle.load(joined[0]).manifest)
    with pytest.raises(BadBundle, match=FAST):
        Bundle.load(path)
