"""Fixtures that every floor's tests may use: real fonts, web fonts made from them, a small dataset."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from hypothesis import HealthCheck, settings

from glyphs.dataset.build import build
from glyphs.dataset.store import Dataset
from tests.pipeline import one_thread, tiny_bundle, tiny_export, tiny_run

__all__ = ["one_thread", "tiny_bundle", "tiny_export", "tiny_run"]

# No test fails for being slow: machines differ, and so does what else they do.
settings.register_profile("glyphery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glyphery")

Polygon = list[tuple[int, int]]
FontMaker = Callable[[str, str, dict[int, list[Polygon]]], Path]


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Services keep their jobs with the other things of a test run, not with the user's."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """What runs a command with the rights of an ordinary user, whoever runs the tests."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root needs setpriv to do without its rights")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.fixture(scope="session")
def font_dir() -> Path:
    """The folder of openly licensed test fonts; `data/make_fonts.py` tells what each is for."""
    return Path(__file__).parent / "data" / "fonts"


@pytest.fixture(scope="session")
def font_files(font_dir: Path) -> list[Path]:
    """Every test font, sorted."""
    return sorted(file for file in font_dir.iterdir() if file.suffix != ".md")


@pytest.fixture(scope="session")
def web_fonts(font_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By suffix: `woff` and `woff2` of sans.ttf, `ttc` of sans.ttf and naskh.ttf."""
    folder = tmp_path_factory.mktemp("web-fonts")
    made = {suffix: folder / f"sans.{suffix}" for suffix in ("woff", "woff2", "ttc")}
    for flavor in ("woff", "woff2"):
        font = TTFont(font_dir / "sans.ttf", recalcTimestamp=False)
        font.flavor = flavor
        font.save(made[flavor])
    collection = TTCollection()
    collection.fonts = [TTFont(font_dir / name, recalcTimestamp=False) for name in ("sans.ttf", "naskh.ttf")]
    collection.save(made["ttc"])
    return made


@pytest.fixture(scope="session")
def dataset_file(font_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `small_dataset`, finished and closed."""
    out = tmp_path_factory.mktemp("dataset") / "glyphs.db"
    for _ in build([font_dir], out, workers=1):
        pass
    return out


@pytest.fixture(scope="session")
def small_dataset(dataset_file: Path) -> Iterator[Dataset]:
    """A dataset of the test fonts, open for reading.

    Ten families: Latin in four (Sans, Serif and Variable train, Mono validates) and in Didone,
    which tests; Arabic in four (Naskh, Arabic and Kufi train, Maghribi tests); PhagsPa.
    """
    with Dataset.open(dataset_file) as dataset:
        yield dataset


@pytest.fixture
def make_font(tmp_path: Path) -> FontMaker:
    """Make a TrueType font of polygons: (file name, family, code point -> polygons) -> its path."""

    def make(file: str, family: str, drawings: dict[int, list[Polygon]]) -> Path:
        names = {codepoint: f"u{codepoint:05X}" for codepoint in drawings}
        glyphs = {".notdef": TTGlyphPen(None).glyph()}
        for codepoint, polygons in drawings.items():
            pen = TTGlyphPen(None)
            for first, *others in polygons:
                pen.moveTo(first)
                for point in others:
                    pen.lineTo(point)
                pen.closePath()
            glyphs[names[codepoint]] = pen.glyph()
        builder = FontBuilder(1000)
        builder.setupGlyphOrder(list(glyphs))
        builder.setupCharacterMap(names)
        builder.setupGlyf(glyphs)
        builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": family, "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        builder.save(path)
        return path

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes; only a superuser can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
