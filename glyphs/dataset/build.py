"""Fonts become a dataset: find, read in processes, store in order, then judge families.

Resumable: a file is stored whole in one transaction and known by its hash, so that running the
same build again reads only what is missing. The same fonts give the same content.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from glyphs.characters import character
from glyphs.dataset.legibility import illegible_families
from glyphs.dataset.store import OUTLINE, Dataset, FontRecord, GlyphRecord
from glyphs.errors import BadDataset, BadFont
from glyphs.fonts import Face, FontFile, Glyph, family_key
from glyphs.labels import Label
from glyphs.processes import Crew, Task, affinity
from glyphs.shaping import labelled_glyphs
from glyphs.splits import assign, clusters

FONT_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc", ".woff", ".woff2", ".pfb", ".t1", ".cff"})
# Ideographs and syllables by the ten thousand are another problem than this one.
DEFAULT_SKIPPED_SCRIPTS = frozenset({"Hani", "Hang"})
PLACEHOLDER_LABELS = 16  # one shape for more labels than this stands for "no glyph here"
_AHEAD = 8  # files that are being read or are read and not yet stored, for each process
_UNSHAPED_CATEGORIES = frozenset("CZ")  # controls, private use, unassigned; separators
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a build after one more file."""

    done: int
    total: int
    glyphs: int
    file: str
    reason: str | None  # why the file was rejected, or None


@dataclass(frozen=True, slots=True)
class _Reading:
    file: str
    sha256: str
    faces: list[tuple[FontRecord, list[GlyphRecord]]]
    reason: str | None


def find_fonts(paths: Iterable[Path]) -> list[Path]:
    """Files as given, and every font below the folders given; sorted, without repeats.

    Raises:
        BadDataset: a path does not exist or cannot be looked at, or nothing was found.
    """
    found: set[Path] = set()
    for path in paths:
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                found.update(_fonts_below(path))
            else:
                found.add(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename == str(path):
                raise BadDataset(f"There is no {path}.") from None
            raise BadDataset(f"{error.filename} cannot be looked at: {error.strerror}.") from None
    if not found:
        raise BadDataset(
            "No fonts were found.", "Name font files, or folders that hold some; `make fonts` gets them."
        )
    return sorted(found)


def _fonts_below(folder: Path) -> Iterator[Path]:
    """Raises OSError where a folder cannot be listed: what is in it would be passed over in silence."""
    for at, _, names in os.walk(folder, onerror=_raise):
        files = (Path(at, name) for name in names)
        yield from (file for file in files if file.suffix.lower() in FONT_SUFFIXES and file.is_file())


def _raise(error: OSError) -> NoReturn:
    raise error


def build(
    paths: Iterable[Path],
    out: Path,
    *,
    workers: int | None = None,
    skipped_scripts: frozenset[str] = DEFAULT_SKIPPED_SCRIPTS,
) -> Iterator[Progress]:
    """Read fonts into the dataset at `out`, yielding after each file; finish when exhausted.

    Raises:
        BadDataset: `out` is something else, nothing was found, no file held a usable font, or a process
            that read fonts died.
    """
    files = find_fonts(paths)
    with Dataset.create(out) as dataset:
        known = dataset.known_files()
        shape_ids, label_ids = dataset.shape_ids(), dataset.label_ids()
        glyphs = dataset.count("glyphs")
        with closing(_read_all(files, workers or affinity(), known, skipped_scripts)) as readings:
            for done, reading in enumerate(readings, 1):
                with dataset.transaction():
                    if reading.sha256 not in known:
                        known[reading.sha256] = reading.reason
                        for font, records in reading.faces:
                            dataset.set_meta("complete", None)
                            dataset.add_font(font, records, shape_ids, label_ids)
                            glyphs += len(records)
                    if reading.reason:  # of a copy of a broken file, too
                        dataset.reject(reading.file, reading.sha256, reading.reason)
                    else:
                        dataset.accept(reading.file)
                yield Progress(done, len(files), glyphs, reading.file, reading.reason)
        if not glyphs:
            raise BadDataset(
                "Not one of the files held a usable font.", "The report names each with its reason."
            )
        finish(dataset)


def finish(dataset: Dataset) -> None:
    """Give every family its split, set picture fonts aside, and mark the dataset complete."""
    with dataset.transaction():
        dataset.set_splits(assign(clusters(dataset.shapes_by_family())))
        dataset.exclude(illegible_families(dataset))
        dataset.set_meta("digest", dataset.content_digest())
        dataset.set_meta("complete", "1")


def read_faces(font: FontFile, read: Callable[[Face], T]) -> list[T]:
    """What `read` makes of each face of a file, without the faces for which it raises BadFont.

    Raises:
        BadFont: not one face is left; the first one's reason.
    """
    taken, reasons = [], []
    try:
        for face in font.faces():
            try:
                taken.append(read(face))
            except BadFont as error:
                reasons.append(error.message)
    except BadFont:
        raise
    except Exception as error:  # a parser below may raise anything on a hostile file: name it, go on
        raise BadFont(f"It broke a parser: {type(error).__name__}.") from None
    if not taken:
        raise BadFont(reasons[0] if reasons else "It holds no face.")
    return taken


def read_glyphs(face: Face, skipped_scripts: frozenset[str]) -> tuple[dict[Label, Glyph], int]:
    """The glyphs that a face draws, by label, and how many it cannot load.

    Left out are labels of the scripts to skip, labels that are no text (controls, private use,
    separators), glyphs without ink, and placeholders: one outline for very many labels.

    Raises:
        BadFont: nothing is left, or the face maps no Unicode characters.
    """
    glyphs: dict[Label, Glyph] = {}
    outlines: dict[Label, bytes] = {}
    broken = 0
    for label, components in labelled_glyphs(face).items():
        of = character(label.codepoint)
        if of.category[0] in _UNSHAPED_CATEGORIES or of.script in skipped_scripts:
            continue
        try:
            glyph = face.glyph(components)
        except BadFont:
            broken += 1
            continue
        if glyph is not None:
            glyphs[label], outlines[label] = glyph, glyph.outline.to_bytes()
    uses = Counter(outlines.values())
    kept = {label: glyph for label, glyph in glyphs.items() if uses[outlines[label]] <= PLACEHOLDER_LABELS}
    if not kept:
        raise BadFont("It draws no character that is wanted.")
    return kept, broken


def _read_all(
    files: Sequence[Path], workers: int, known: dict[str, str | None], skipped_scripts: frozenset[str]
) -> Generator[_Reading, None, None]:
    """What is read of files, in their order; read in processes, and only so far ahead of who asks."""
    waiting: deque[Task[_Reading]] = deque()
    try:
        with Crew(workers, _begin, known, skipped_scripts) as crew:
            for file in files:
                waiting.append(crew.submit(_read, file))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool:
        raise BadDataset(
            "A process that read fonts died.",
            "Run the same build again; with --workers 1 it takes the least memory.",
        ) from None


# What a worker process is told once: what is known of files already read, and scripts to leave out.
_known: dict[str, str | None] = {}
_skipped_scripts: frozenset[str] = DEFAULT_SKIPPED_SCRIPTS


def _begin(known: dict[str, str | None], skipped_scripts: frozenset[str]) -> None:
    global _known, _skipped_scripts
    _known, _skipped_scripts = known, skipped_scripts


def _read(path: Path) -> _Reading:
    """Runs in a worker process; a broken file is an answer, not an exception."""
    digest = ""
    try:
        font = FontFile.read(path)
        digest = font.sha256
        if digest in _known:
            return _Reading(str(path), digest, [], _known[digest])
        faces = read_faces(font, lambda face: _read_face(font, face))
        return _Reading(str(path), digest, faces, None)
    except BadFont as error:
        return _Reading(str(path), digest or f"unread:{path}", [], error.message)


def _read_face(font: FontFile, face: Face) -> tuple[FontRecord, list[GlyphRecord]]:
    glyphs, broken = read_glyphs(face, _skipped_scripts)
    records = [
        GlyphRecord(label, OUTLINE, glyph.outline.to_bytes(), astuple(glyph.metrics))
        for label, glyph in glyphs.items()
    ]
    described = FontRecord(
        font.sha256, face.index, face.instance, font.path.name, family_key(face.family), face.style,
        face.licence[:400], face.units_per_em, broken,
    )  # fmt: skip
    return described, records
