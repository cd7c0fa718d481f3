"""The outside test: what is kept of npm's packages, and which families are asked about."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.outside.__main__ import app
from benchmarks.outside.dataset import judged, outside_dataset
from benchmarks.outside.fetch import Package, fetch, regular, unpack
from benchmarks.outside.kinds import TEXT, by_kind, kinds_of_families
from glyphs.dataset.build import build
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset, BadInput
from glyphs.splits import Split

FONTS = Path("tests/data/fonts")


def test_every_listed_package_is_of_a_version_and_listed_once() -> None:
    listed = Package.listed()
    assert len({package.family for package in listed}) == len(listed) > 900
    assert all(package.version.count(".") == 2 for package in listed)
    assert {package.kind for package in listed} == {*TEXT, "display", "handwriting"}


def test_the_upright_font_of_the_weight_nearest_to_regular_is_kept() -> None:
    names = ["package/LICENSE", "package/Lato_100Thin.ttf", "package/Lato_300Light_Italic.ttf"]
    assert regular([*names, "package/700Bold/Lato_700Bold.ttf"]) == "package/Lato_100Thin.ttf"
    assert regular([*names, "package/300Light/Lato_300Light.ttf"]) == "package/300Light/Lato_300Light.ttf"
    with pytest.raises(BadInput, match="upright"):
        regular(["package/400Regular_Italic/Lato_400Regular_Italic.ttf", "package/index.js"])


def test_a_package_is_unpacked_whole_or_not_at_all(tmp_path: Path) -> None:
    font = "package/400Regular/X_400Regular.ttf"
    archive = _packed(tmp_path, {font: b"font", "package/LICENSE_FONT": b"free", "package/index.js": b""})
    unpack(archive, tmp_path / "x")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}
    assert kept == {"X_400Regular.ttf": b"font", "LICENSE_FONT": b"free"}
    nothing = _packed(tmp_path, {"package/index.js": b""})
    with pytest.raises(BadInput):
        unpack(nothing, tmp_path / "y")
    assert not (tmp_path / "y").exists()


def test_npm_is_asked_for_many_packages_at_once_and_for_each_where_one_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _packed(tmp_path, {"package/X_400Regular.ttf": b"font"})
    asked, npm = tmp_path / "asked", tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        f"""#!/bin/sh
        echo "$@" >> {asked}
        case "$*" in *missing*) exit 1;; esac
        to=$4; shift 4
        for spec; do cp {archive} "$to/$(echo "$spec" | sed 's/^@//; s/[@/]/-/g').tgz"; done
        """
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    one, other, missing = (Package(name, "1.0.0", "serif") for name in ("one", "other", "missing"))
    out = tmp_path / "out"
    assert fetch([one, other], out, lambda *_: None) == []
    assert len(asked.read_text().splitlines()) == 1
    assert fetch([one, other], out, lambda *_: None) == []
    assert len(asked.read_text().splitlines()) == 1
    again = tmp_path / "again"
    assert fetch([one, missing, other], again, lambda *_: None) == [missing]
    assert len(asked.read_text().splitlines()) == 1 + 1 + 3
    assert sorted(path.name for path in again.iterdir()) == ["one", "other"]


def test_of_families_that_share_outlines_one_is_asked_about_unless_one_is_known() -> None:
    splits, siblings = judged([["Known", "Its copy"], ["New", "New Condensed"]], {"Known", "Another"})
    assert splits == {
        "Known": Split.TRAIN, "Its copy": Split.TRAIN, "New": Split.TEST, "New Condensed": Split.TEST,
    }  # fmt: skip
    assert siblings == {"New Condensed": "shares outlines with New"}


def test_only_families_from_elsewhere_test(tmp_path: Path) -> None:
    inside, out, fonts = tmp_path / "inside.db", tmp_path / "outside.db", tmp_path / "fonts"
    list(build([FONTS / "sans.ttf", FONTS / "serif.otf"], inside))
    fonts.mkdir()
    for name in ("mono.otf", "sans.ttf"):
        (fonts / name).write_bytes((FONTS / name).read_bytes())
    before = inside.read_bytes()
    assert [progress.reason for progress in outside_dataset(fonts, inside, out)] == [None, None]
    with Dataset.open(inside) as dataset:
        known = {name for _, name, _, _ in dataset.families()}
    with Dataset.open(out) as dataset:
        splits = {name: split for _, name, split, _ in dataset.families()}
        assert len(dataset.table(Split.TEST)) > 100
        assert dataset.meta("digest") == dataset.content_digest()
    assert {name for name, split in splits.items() if split is Split.TRAIN} == known
    assert len(splits) == len(known) + 1
    assert inside.read_bytes() == before
    with pytest.raises(BadDataset, match="already"):
        list(outside_dataset(fonts, inside, out))
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_answers_are_counted_by_the_kind_of_their_family(tmp_path: Path, dataset_file: Path) -> None:
    fonts = {"mono.otf": ("mono", "monospace"), "didone.otf": ("didone", "display")}
    for name, (family, _) in fonts.items():
        (tmp_path / family).mkdir()
        (tmp_path / family / name).write_bytes((FONTS / name).read_bytes())
    kinds = kinds_of_families(tmp_path, [Package(family, "1.0.0", kind) for family, kind in fonts.values()])
    assert sorted(kinds.values()) == ["display", "monospace"]
    with Dataset.open(dataset_file) as dataset:
        mono, didone = sorted(
            (number for number, name, _, _ in dataset.families() if name in kinds),
            key=lambda number: kinds[next(name for n, name, _, _ in dataset.families() if n == number)],
            reverse=True,
        )
    answers = tmp_path / "recognition-some.npz"
    np.savez(
        answers, truth=np.array([0, 1, 2, 3]), places=np.array([[0, 4], [4, 1], [4, 5], [3, 4]]),
        equal=np.array([True, True, False, True]), family=np.array([mono, mono, mono, didone]),
    )  # fmt: skip
    rows = {row[0]: row[1:] for row in by_kind("some", answers, dataset_file, kinds).rows}
    assert rows["monospace"] == ("1", "3", "33.3", "66.7", "66.7")
    assert rows["display"] == ("1", "1", "100.0", "100.0", "100.0")
    assert rows["all"] == ("2", "4", "50.0", "75.0", "75.0")
    assert rows["serif"] == ("0", "0", "–", "–", "–")


def test_where_nothing_was_asked_yet_that_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["kinds", str(FONTS), "--benchmark", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no answers. Run `python -m benchmarks.glyphs` first." in done.stderr


def _packed(folder: Path, files: dict[str, bytes]) -> Path:
    archive = folder / "package.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return archive
