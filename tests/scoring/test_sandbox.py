from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from glyphs.errors import BadFont
from glyphs.fonts import FontFile
from glyphs.labels import Label
from glyphs.raster import RasterSettings, draw
from scoring.reader import TooManyGlyphs
from scoring.sandbox import DrawnFace, Limits, Rasters, ReaderKilled, Sandbox

SETTINGS = RasterSettings(32, 28)
LETTERS = [Label(ord(letter)) for letter in "ABCabc"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox().draw_for(LETTERS, SETTINGS)
    yield made
    made.close()


def _faces(messages: list[DrawnFace | Rasters]) -> list[DrawnFace]:
    return [message for message in messages if isinstance(message, DrawnFace)]


def test_what_comes_out_is_what_the_font_draws(sandbox: Sandbox, font_dir: Path) -> None:
    messages = list(sandbox.read((font_dir / "sans.ttf").read_bytes()))
    [face] = _faces(messages)
    pixels = np.concatenate([m.pixels for m in messages if isinstance(m, Rasters)])
    assert len(pixels) == face.rasters == len(LETTERS)
    [real] = FontFile.read(font_dir / "sans.ttf").faces()
    for claim in face.claims:
        drawn = face.drawings[claim.drawing]
        if claim.label not in LETTERS:
            continue
        glyph = real.glyph(real.characters()[claim.codepoint])
        assert glyph is not None
        assert drawn.raster is not None
        assert (pixels[drawn.raster] == draw(glyph.outline, SETTINGS)).all()
        assert drawn.metrics == pytest.approx(
            (glyph.metrics.width, glyph.metrics.height, glyph.metrics.bottom, glyph.metrics.advance)
        )
        assert drawn.path.startswith("M")


def test_equal_shapes_are_drawn_once_and_have_one_hash(sandbox: Sandbox, font_dir: Path) -> None:
    wide = Sandbox().draw_for([*LETTERS, Label(0x391), Label(0x410)], SETTINGS)
    try:
        [face] = _faces(list(wide.read((font_dir / "sans.ttf").read_bytes())))
    finally:
        wide.close()
    alike = [face.drawings[c.drawing] for c in face.claims if c.codepoint in (0x41, 0x391, 0x410)]
    assert len({drawn.shape for drawn in alike}) == 1
    assert len({drawn.raster for drawn in alike}) == 1


def test_a_bad_font_is_an_error_and_the_next_one_is_read(sandbox: Sandbox, font_dir: Path) -> None:
    with pytest.raises(BadFont, match="no font"):
        list(sandbox.read(b"nothing of the kind"))
    assert _faces(list(sandbox.read((font_dir / "serif.otf").read_bytes())))


def test_nothing_is_imported_from_the_folder_that_somebody_works_in(
    font_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random", "glyphs"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w'); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    elsewhere = Sandbox().draw_for(LETTERS, SETTINGS)
    try:
        assert _faces(list(elsewhere.read((font_dir / "sans.ttf").read_bytes())))
    finally:
        elsewhere.close()
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("by", "error", "said"),
    [(signal.SIGSEGV, BadFont, "SIGSEGV"), (signal.SIGKILL, ReaderKilled, "was killed.*Try again")],
)
def test_a_process_that_dies_is_replaced(
    sandbox: Sandbox, font_dir: Path, by: signal.Signals, error: type[BadFont], said: str
) -> None:
    list(sandbox.read((font_dir / "sans.ttf").read_bytes()))
    os.kill(sandbox.start().pid, by)
    with pytest.raises(BadFont, match=said) as raised:
        list(sandbox.read((font_dir / "sans.ttf").read_bytes()))
    assert raised.type is error
    assert _faces(list(sandbox.read((font_dir / "sans.ttf").read_bytes())))


def test_memory_is_limited(font_dir: Path) -> None:
    small = Sandbox(Limits(max_memory=330 << 20)).draw_for(LETTERS, SETTINGS)
    try:
        with pytest.raises(BadFont, match="memory"):
            list(small.read(b"\0\1\0\0" + bytes(120 << 20)))
    finally:
        small.close()


READ = """
import sys
from pathlib import Path
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from scoring.reader import TooManyGlyphs
from scoring.sandbox import Sandbox
sandbox = Sandbox().draw_for([Label(65)], RasterSettings())
print(len(list(sandbox.read(Path(sys.argv[1]).read_bytes()))))
sandbox.close()
"""


@pytest.mark.parametrize("limit", ["-t 3600", "-v 2000000"])
def test_less_than_it_may_have_is_enough(font_dir: Path, unprivileged: list[str], limit: str) -> None:
    """As on shared machines, whose administrators set limits that nobody can raise."""
    read = [*unprivileged, sys.executable, "-c", READ, str(font_dir / "sans.ttf")]
    said = subprocess.check_output(["bash", "-c", f'ulimit {limit}; exec "$@"', "-", *read], text=True)
    assert int(said) >= 1


def test_computing_is_limited(font_dir: Path) -> None:
    labels = [Label(code) for code in range(0x21, 0x500)]
    quick = Sandbox(Limits(seconds=0.01)).draw_for(labels, RasterSettings(1024, 1000))

    def read_often() -> None:
        for _ in range(200):
            list(quick.read((font_dir / "serif.otf").read_bytes()))

    try:
        with pytest.raises(BadFont, match=r"more than 0\.01 seconds"):
            read_often()
    finally:
        quick.close()


def test_as_much_time_may_be_given_as_anybody_likes(font_dir: Path) -> None:
    patient = Sandbox(Limits(seconds=1e6)).draw_for(LETTERS, SETTINGS)
    try:
        assert _faces(list(patient.read((font_dir / "sans.ttf").read_bytes())))
    finally:
        patient.close()


def test_a_silent_process_is_given_up(font_dir: Path) -> None:
    patient = Sandbox().draw_for(LETTERS, SETTINGS)
    try:
        list(patient.read((font_dir / "sans.ttf").read_bytes()))  # it has started, however long that took
        os.kill(patient.start().pid, signal.SIGSTOP)
        usual, patient.limits = patient.limits, Limits(seconds=0.1)
        with pytest.raises(BadFont, match=r"more than 0\.1 seconds"):
            list(patient.read((font_dir / "sans.ttf").read_bytes()))
        patient.limits = usual
        assert _faces(list(patient.read((font_dir / "sans.ttf").read_bytes())))
    finally:
        patient.close()


def test_whoever_asks_may_have_less_patience_than_the_limits(sandbox: Sandbox, font_dir: Path) -> None:
    data = (font_dir / "sans.ttf").read_bytes()
    list(sandbox.read(data))  # it has started, however long that took
    os.kill(sandbox.start().pid, signal.SIGSTOP)
    with pytest.raises(BadFont):
        list(sandbox.read(data, patience=0.1))
    assert _faces(list(sandbox.read(data)))


@pytest.mark.parametrize("every_glyph", [False, True])
def test_too_many_glyphs_are_told_from_other_faults(font_dir: Path, every_glyph: bool) -> None:
    with closing(Sandbox(Limits(max_glyphs=100))) as few:
        few.draw_for(None if every_glyph else LETTERS, SETTINGS)
        with pytest.raises(TooManyGlyphs, match="more glyphs"):
            list(few.read((font_dir / "sans.ttf").read_bytes()))
        with pytest.raises(BadFont) as other:
            list(few.read(b"nothing of the kind"))
        assert other.type is BadFont


def test_a_file_beyond_the_limit_is_not_even_sent() -> None:
    with pytest.raises(BadFont, match="larger than"):
        list(Sandbox(Limits(max_bytes=1 << 20)).draw_for(LETTERS, SETTINGS).read(bytes(2 << 20)))


def test_who_stops_listening_gets_the_next_font_whole(sandbox: Sandbox, font_dir: Path) -> None:
    messages = sandbox.read((font_dir / "sans.ttf").read_bytes())
    next(messages)
    messages.close()  # type: ignore[attr-defined]
    [face] = _faces(list(sandbox.read((font_dir / "mono.otf").read_bytes())))
    assert face.family != "Glyphery Test Sans"
