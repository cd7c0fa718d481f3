"""Folders of images by class, and lists of them, as a source.

Three forms: a folder for each class; `train/` with those, beside `validation/` or `val/` and
`test/`; and an `index_<class>.json` for each class, whose "good" lists files. Where nothing says
which pictures validate and test, a hash of their paths does, the same in every process.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glyphs.dataset.folder import RASTER_SUFFIXES
from glyphs.errors import BadDataset, BadLabel, BadPicture
from glyphs.labels import Label, fold
from glyphs.splits import Split, assign
from training.data.files import Listed, name_within, open_files
from training.data.pictures import PRIVATE_USE, PictureSource

_PARTS = {
    "train": Split.TRAIN,
    "validation": Split.VALIDATION,
    "val": Split.VALIDATION,
    "test": Split.TEST,
}
# A file, its class, and its split where that is said.
Entry = tuple[Any, str, Split | None]


def open_images(path: Path, *, colour: bool = False) -> PictureSource:
    """Open a folder in one of the forms above, or one index file; as ink, unless `colour` is asked for.

    Pictures that are missing, cannot be read or lie outside the folder are named among the rejected.

    Raises:
        BadDataset: an index is broken, or fewer than two classes can be read.
    """
    root = path.parent if path.is_file() else path
    indexes = [path] if path.is_file() else sorted(path.glob("index_*.json"))
    found: dict[tuple[str, str], Split | None] = {}
    rejected = []
    resolved = root.resolve()
    try:
        for file, kind, split in _from_indexes(indexes) if indexes else _from_folders(root):
            try:
                if not isinstance(file, str):
                    raise BadPicture("It is no file name.")
                found.setdefault((name_within(resolved, root / file), kind), split)
            except BadPicture as error:
                rejected.append((str(file), error.message))
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}.", "Name a folder of images.") from None
    labels = class_labels(kind for _, kind in found)
    splits = _splits({name: split for (name, _), split in found.items()})
    return open_files(
        path,
        resolved,
        [Listed(name, labels[kind], name, splits[name]) for name, kind in sorted(found)],
        rejected,
        called={label: kind for kind, label in labels.items() if label.codepoint >= PRIVATE_USE},
        colour=colour,
    )


def class_labels(names: Iterable[str]) -> dict[str, Label]:
    """Class name -> label: a character's, where the name is one; else one for private use, in order.

    A character is written as itself, `U+0041`, or as labels are, `65` or `1593_init`. Numbers are
    taken for characters only if all stand for one that is visible: 0, 1, 2, ... 99 are numbers.
    """
    ordered = sorted(set(names))
    read = {name: _character(name) for name in ordered}
    numbers = [name for name in ordered if name.isascii() and name.isdigit()]
    if not all(read[name] for name in numbers):
        read.update(dict.fromkeys(numbers))
    others = [name for name in ordered if read[name] is None]
    return {name: label for name, label in read.items() if label} | {
        name: Label(PRIVATE_USE + place) for place, name in enumerate(others)
    }


def _character(name: str) -> Label | None:
    """The label of a visible character, or None."""
    text = unicodedata.normalize("NFC", name) if len(name) > 1 else name
    hexadecimal = re.fullmatch(r"[Uu]\+([0-9A-Fa-f]{1,6})", text)
    try:
        if len(text) == 1:
            label = fold(ord(text))
        else:
            label = Label.parse(str(int(hexadecimal[1], 16)) if hexadecimal else text)
    except BadLabel:
        return None
    return None if unicodedata.category(chr(label.codepoint))[0] == "C" else label


def _splits(said: Mapping[str, Split | None]) -> dict[str, Split]:
    """Name -> split: as said; but of what trains, the hash holds out splits that nothing else has."""
    held_out = {name: split for name, split in said.items() if split and split is not Split.TRAIN}
    hashed = assign(([name] for name in sorted(said.keys() - held_out)), {})
    taken = set(held_out.values())
    return held_out | {name: Split.TRAIN if split in taken else split for name, split in hashed.items()}


def _from_folders(root: Path) -> Iterator[Entry]:
    parts: list[tuple[Path, Split | None]] = [(root, None)]
    if any(_folders(root / "train")):
        parts = [(root / name, split) for name, split in _PARTS.items()]
    for folder, split in parts:
        for kind in _folders(folder):
            for file in sorted(kind.rglob("*")):
                if file.suffix.lower() in RASTER_SUFFIXES and not file.name.startswith("."):
                    yield file.relative_to(root).as_posix(), kind.name, split


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(kind for kind in folder.iterdir() if kind.is_dir() and not kind.name.startswith("."))


def _from_indexes(files: Sequence[Path]) -> Iterator[Entry]:
    for file in files:
        try:
            good = json.loads(file.read_bytes())["good"]
            if not isinstance(good, list):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadDataset(
                f"{file} is no list of pictures.", 'Write it as {"good": ["first.png", "second.png"]}.'
            ) from None
        for entry in good:
            name = entry.get("file", entry.get("path")) if isinstance(entry, dict) else entry
            yield name, file.stem.removeprefix("index_"), None
