"""Whatever is given for a font: it gets a score or an ERROR, and nothing dies, hangs or grows.

A release is tried with GLYPHERY_FONT_MUTANTS=2000, which also scores a font of 65,534 characters.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import pytest

from glyphs.errors import BadFont
from glyphs.fonts import FontFile
from glyphs.pipe import Patience
from glyphs.raster import RasterSettings
from recognition.recogniser import Recogniser
from scoring.reader import MAX_FACES, read_faces
from scoring.sandbox import CHUNK, DrawnFace, DrawnGlyph, Limits, Rasters, Sandbox, _Answer
from scoring.score import Scorer
from scoring.verdicts import FontScore, Status
from tests.scoring.hostile import crafted, full, many_faces, mutants, seeds

MUTANTS = int(os.environ.get("GLYPHERY_FONT_MUTANTS", "60"))
LIMITS = Limits(seconds=1.0, max_memory=1 << 30, max_glyphs=300)
SIZE = 8


def children() -> set[int]:
    """Of this process, those that are dead but not buried among them."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:  # it is gone already
                continue
            if int(parent) == os.getpid():
                found.add(int(folder.name))
    return found


def memory(pid: int | str, key: str) -> int:
    """Bytes, by a line of /proc/<pid>/status; 0 of a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{key}:")), 0)


def sound(score: FontScore) -> bool:
    """Whether a score survives strict JSON; it has a verdict in any case."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    text = score.to_json()
    json.loads(text.encode(), parse_constant=refuse)
    assert score.faces or score.status is Status.ERROR
    return FontScore.from_json(text) == score


def test_no_font_breaks_the_scorer(recogniser: Recogniser, font_dir: Path) -> None:
    before = children()
    with Scorer(recogniser, Sandbox(LIMITS)) as scorer:
        for _, data in seeds(font_dir):  # so that the model has what memory it needs
            assert scorer.score("whole", data).faces
        told: Counter[str] = Counter()
        at_first = slowest = largest = largest_child = 0.0
        slowest_font = ""
        fonts = [*crafted(font_dir), *mutants(font_dir, MUTANTS)]
        for number, font in enumerate(fonts):
            start = time.perf_counter()
            score = scorer.score(font.name, font.data)
            took = time.perf_counter() - start
            assert sound(score), font.name
            if took > 1.0:
                print(f"{took:.1f} s for {font.name!r}: {score.status} {[f.message for f in score.findings]}")
            told[score.findings[0].message if score.findings else "scored"] += 1
            mine = children() - before
            assert len(mine) <= 1, font.name
            for child in mine:
                assert memory(child, "VmPeak") <= LIMITS.max_memory, font.name
                largest_child = max(largest_child, memory(child, "VmHWM"))
            largest = max(largest, memory("self", "VmRSS"))
            if number == min(100, len(fonts) // 2):
                at_first = memory("self", "VmRSS")
            if took > slowest:
                slowest, slowest_font = took, font.name
        at_last = memory("self", "VmRSS")
        assert scorer.score("whole", seeds(font_dir)[0][1]).faces
    assert children() <= before
    print(f"{len(fonts)} fonts; {slowest:.1f} s for {slowest_font!r}")
    print(f"child at most {largest_child / 2**20:.0f} MiB")
    print(f"parent {at_first / 2**20:.0f} MiB, {at_last / 2**20:.0f} at last, {largest / 2**20:.0f} at most")
    for message, count in told.most_common():
        print(f"{count:5} {message}")
    assert told["scored"] > MUTANTS // 4
    assert at_last < 1.3 * at_first


def test_every_glyph_that_a_font_can_have_is_scored(recogniser: Recogniser, font_dir: Path) -> None:
    count = 65_534 if MUTANTS >= 2000 else 3000
    with Scorer(recogniser) as scorer:
        score = scorer.score("full", full(font_dir, count))
    assert sound(score)
    [face] = score.faces
    assert len({verdict.codepoint for verdict in face.glyphs}) == count


def test_faces_are_limited(font_dir: Path) -> None:
    font = FontFile(Path(), many_faces(font_dir, MAX_FACES + 1), "")
    with pytest.raises(BadFont, match="faces"):
        list(read_faces(font, 10**6))


def test_what_a_font_comes_to_is_limited(font_dir: Path) -> None:
    sandbox = Sandbox(Limits(max_answer=10_000)).draw_for([], RasterSettings(SIZE, SIZE))
    try:
        with pytest.raises(BadFont, match="to tell"):
            list(sandbox.read((font_dir / "sans.ttf").read_bytes()))
        assert list(sandbox.read(full(font_dir, 3)))  # it is the same process that goes on
    finally:
        sandbox.close()


def test_a_process_that_does_not_read_is_given_up(font_dir: Path) -> None:
    sandbox = Sandbox().draw_for([], RasterSettings(SIZE, SIZE))
    try:
        list(sandbox.read(full(font_dir, 3)))  # it has started, however long that took
        sandbox.limits = Limits(seconds=0.1)
        os.kill(sandbox.start().pid, signal.SIGSTOP)
        with pytest.raises(BadFont, match="more than"):
            list(sandbox.read(bytes(4 << 20)))
    finally:
        sandbox.close()


# ---- a process that a font has taken over

FACE = {
    "kind": "face", "face": 0, "instance": 0, "family": "F", "style": "R", "units_per_em": 1000,
    "claims": [[65, 65, "", 0, False]],
    "drawings": [
        [1, "A", "00", "M0 0Z", [0.5, 0.5, 0.0, 0.5], 0, False, "", False, [[0, 0, 0.5, 0.5, 0.2]], None]
    ],
    "rasters": 1,
}  # fmt: skip
PIXELS = bytes(SIZE * SIZE)
END = {"kind": "end", "error": "", "too_many": False, "spoilt": False}
Message = tuple[object, bytes]


def drawn(**changes: object) -> dict[str, object]:
    """The face, with a drawing that has other values."""
    names = [field.name for field in fields(DrawnGlyph)]
    values = dict(zip(names, FACE["drawings"][0], strict=True)) | changes  # type: ignore[index]
    return FACE | {"drawings": [list(values.values())]}


@contextmanager
def said(*messages: Message, for_ever: bool = False, every_glyph: bool = False) -> Iterator[_Answer]:
    """What the parent makes of messages; the last one comes for ever, if it is to."""
    source, to = os.pipe()

    def send() -> None:
        try:
            with os.fdopen(to, "wb") as pipe:
                for document, body in messages:
                    text = document if isinstance(document, bytes) else json.dumps(document).encode()
                    piece = len(text).to_bytes(8, "little") + len(body).to_bytes(8, "little") + text + body
                    pipe.write(piece)
                while for_ever:
                    pipe.write(piece)
        except BrokenPipeError:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    try:
        limits = Limits(max_glyphs=10, max_answer=1 << 16)
        yield _Answer(source, Patience(20.0), limits, SIZE, every_glyph=every_glyph)
    finally:
        os.close(source)
        sender.join()


def test_an_answer_that_makes_sense_is_taken() -> None:
    with said((FACE, b""), ({"kind": "rasters", "first": 0}, PIXELS), (END, b"")) as answer:
        face, rasters = answer.messages()
    assert isinstance(face, DrawnFace)
    assert isinstance(rasters, Rasters)
    assert (face.family, rasters.pixels.shape) == ("F", (1, SIZE, SIZE))


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"7", b"{}", b"\xff", b"[" * 50_000, b" " * 2_000_000,
        drawn(metrics=[float("nan"), 0, 0, 0]), drawn(metrics=[1, 2, 3]), drawn(metrics=None),
        json.dumps(FACE).replace("[0.5,", "[1e999,").encode(),
        drawn(raster=1), drawn(raster=-1), drawn(name="N" * 5000), drawn(name=7), drawn(path=None),
        drawn(index=True), drawn(pieces=None), drawn(pieces=[[0, 0, 1, 1]]),
        drawn(pieces=[[0, 0, 1, 1, "x"]]), drawn(pieces=[[0, 0, 1, 1, 1]] * 33),
        drawn(pieces=[[0, 0, 1, 1, float("inf")]]), drawn(advance="x"), drawn(advance=[]),
        drawn(advance=float("-inf")),
        FACE | {"rasters": 2}, FACE | {"rasters": -1}, FACE | {"claims": []}, FACE | {"family": {}},
        FACE | {"claims": [[65, 65, "", 1, False]]}, FACE | {"claims": [[-1, 65, "", 0, False]]},
        FACE | {"claims": [[65, 0x110000, "", 0, False]]}, FACE | {"claims": [[65, 65, "none", 0, False]]},
        FACE | {"claims": [[65, 65, "", 0, False]] * 11}, FACE | {"face": 2**80},
    ],
)  # fmt: skip
def test_nonsense_is_no_answer(document: object) -> None:
    from glyphs.confined import NO_ANSWER

    with said((document, b""), (END, b"")) as answer, pytest.raises(NO_ANSWER):
        list(answer.messages())


@pytest.mark.parametrize(("drawings", "makes_sense"), [(10, True), (11, False)])
def test_of_every_glyph_there_are_no_more_than_there_may_be(drawings: int, makes_sense: bool) -> None:
    many = drawn(raster=None)["drawings"] * drawings  # type: ignore[operator]
    face = FACE | {"claims": [], "drawings": many, "rasters": 0}
    with said((face, b""), (END, b""), every_glyph=True) as answer:
        if makes_sense:
            assert len(list(answer.messages())) == 1
        else:
            with pytest.raises(ValueError, match="too many"):
                list(answer.messages())


@pytest.mark.parametrize(
    "messages",
    [
        [({"kind": "rasters", "first": 0}, PIXELS)],
        [(FACE, b""), ({"kind": "rasters", "first": 1}, PIXELS)],
        [(FACE, b""), ({"kind": "rasters", "first": 0}, b"")],
        [(FACE, b""), ({"kind": "rasters", "first": 0}, PIXELS[1:])],
        [(FACE, b""), ({"kind": "rasters", "first": 0}, PIXELS * (CHUNK + 1))],
        [(FACE, b""), ({"kind": "rasters", "first": 0}, PIXELS)],
        [(FACE, b""), (FACE, b"")],
        [(FACE | {"rasters": 0, "drawings": drawn(raster=None)["drawings"]}, b"")],
    ],
)
def test_what_goes_on_for_ever_is_no_answer(messages: list[Message]) -> None:
    with said(*messages, for_ever=True) as answer, pytest.raises(ValueError):  # noqa: PT011
        deque(answer.messages(), maxlen=0)


def test_a_byte_now_and_then_is_not_waited_for_for_ever() -> None:
    source, to = os.pipe()
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            os.write(to, b"\x01")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        with pytest.raises(TimeoutError):
            list(_Answer(source, Patience(0.1), Limits(), SIZE).messages())
    finally:
        stop.set()
        sender.join()
        os.close(source)
        os.close(to)


# ---- the command line


def _score(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "glyphery", "score", "--max-seconds", "2", "--max-glyphs", "1000",
         *map(str, arguments)],
        capture_output=True, timeout=900, check=False,
    )  # fmt: skip


def test_a_folder_of_broken_fonts_is_reported_whole(font_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fonts"
    folder.mkdir()
    named = [font for font in crafted(font_dir) if "name" in font.name or "nothing" in font.name]
    for number, font in enumerate([*named, *mutants(font_dir, min(MUTANTS, 20))]):
        (folder / f"{number:04}{font.suffix}").write_bytes(font.data)
    odd = [folder / "a\x1b[2J[red]\n.ttf", Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.ttf"))]
    for path in odd:
        path.write_bytes(b"no font")
    (folder / "folder.ttf").mkdir()
    (folder / "gone.ttf").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.ttf")
    report = tmp_path / "report.jsonl"
    done = _score(folder, "--out", report, "--out", tmp_path / "report.csv", "--out", tmp_path / "pages")
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Warning" not in done.stderr
    assert b"\x1b[2J" not in done.stdout
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    files = {str(path) for path in folder.iterdir() if path.is_file()}
    assert {line["font"] for line in lines} == files


def test_what_is_no_file_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ttf")
    done = _score(tmp_path / "pipe.ttf", "/dev/zero", "/dev/null", "--json")
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["ERROR"] * 3


def test_a_folder_is_no_font(tmp_path: Path) -> None:
    with pytest.raises(BadFont, match="cannot be read"):
        FontFile.read(tmp_path)
