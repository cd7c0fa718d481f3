"""Import of drawn glyphs: a folder of rasters and `chars.csv` with columns `label,base_unicode`.

A raster belongs to the label that ends its file name (`Amiri-Regular_1593_init.png`) or names
its folder (`1593_init/Amiri-Regular.png`); in a label's folder, a file name can only add the form
(`1593/Amiri-Regular_1593_init.png`). What stands before the label, or the file name inside a
label's folder, names the family; so the split by family holds here too. `base_unicode`
is the base letter's code point (`1593`, `U+0639`, `0x639` or the character itself); the joining
form is the label's. Labels may be any text as long as chars.csv lists them.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Container, Iterator
from hashlib import sha256
from pathlib import Path

from PIL import Image

from glyphs.dataset.build import Progress, finish
from glyphs.dataset.store import RASTER, Dataset, FontRecord, GlyphRecord
from glyphs.errors import BadDataset, BadLabel, BadPicture, GlypheryError
from glyphs.labels import Form, Label, fold
from glyphs.picture import read_picture

RASTER_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_UNKNOWN = (float("nan"),) * 4


def read_chars(path: Path) -> dict[str, Label]:
    """Label text -> label, from chars.csv.

    Raises:
        BadDataset: the file, a column or a value is missing or wrong; the line is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadDataset(f"{path} cannot be read: {error}.") from None
    if not rows or not {"label", "base_unicode"} <= set(rows[0]):
        raise BadDataset(
            f"{path} needs a header with the columns label and base_unicode, and at least one row."
        )
    labels: dict[str, Label] = {}
    for number, row in enumerate(rows, 2):
        try:
            if not (row["label"] and row["base_unicode"]):
                raise BadLabel("A label and its base_unicode are needed.")
            label = _label(row["label"], row["base_unicode"])
            if labels.setdefault(row["label"], label) != label:
                raise BadLabel(f"{row['label']!r} was another label above.", "Leave one of the lines out.")
        except (ValueError, BadLabel) as error:
            raise BadDataset(f"{path}, line {number}: {error}") from None
    return labels


def family_and_label(file: Path, labels: Container[str]) -> tuple[str, str]:
    """The family a raster belongs to and its label: its folder's, or what its name adds to that; else the
    longest that its name gives.

    Raises:
        BadLabel: neither is among the labels.
    """
    folder, stem = file.parent.name, file.stem
    readings = [(stem, folder), (folder, stem)]
    readings += [(stem[:place], stem[place + 1 :]) for place, mark in enumerate(stem) if mark in "_-"]
    known = [(family, label) for family, label in readings if label in labels]
    if folder in labels:  # where a running number in the name is no label
        known = [(family, label) for family, label in known if f"{label}_".startswith(f"{folder}_")]
    if not known:
        raise BadLabel(f"Neither the name nor the folder of {file.name} is a label of chars.csv.")
    return max(known, key=lambda reading: len(reading[1]))


def import_rasters(folder: Path, chars: Path, out: Path) -> Iterator[Progress]:
    """Read a folder of rasters into a new dataset, yielding after each file; finish when exhausted.

    Raises:
        BadDataset: nothing to read, or `out` exists already.
    """
    labels = read_chars(chars)
    if out.exists():
        raise BadDataset(f"{out} exists already.", "Import into a new file.")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in RASTER_SUFFIXES)
    if not files:
        raise BadDataset(f"There are no rasters in {folder}.")
    families: dict[str, dict[Label, GlyphRecord]] = defaultdict(dict)
    rejected: list[tuple[str, str, str]] = []
    taken = 0
    for done, file in enumerate(files, 1):
        reason = None
        data = b""
        try:
            data = file.read_bytes()
            family, text = family_and_label(file, labels)
            if labels[text] in families.get(family, {}):
                raise BadLabel(f"The family {family} has a raster of {text} already.")
            raster = read_picture(data)
            packed = io.BytesIO()
            Image.fromarray(raster).save(packed, "PNG")
            families[family][labels[text]] = GlyphRecord(labels[text], RASTER, packed.getvalue(), _UNKNOWN)
            taken += 1
        except (BadLabel, BadPicture, OSError) as error:
            reason = error.message if isinstance(error, GlypheryError) else f"It cannot be read: {error}."
            rejected.append((str(file), sha256(data).hexdigest(), reason))
        yield Progress(done, len(files), taken, file.name, reason)
    if not families:
        raise BadDataset(f"None of the {len(files)} rasters in {folder} could be used: {rejected[0][2]}")
    with Dataset.beside(out) as dataset:
        with dataset.transaction():
            shape_ids, label_ids = dataset.shape_ids(), dataset.label_ids()
            for family, glyphs in sorted(families.items()):
                records = [glyphs[label] for label in sorted(glyphs)]
                digest = sha256(family.encode())
                for record in records:
                    digest.update(f"\0{record.label}\0".encode() + record.data)
                font = FontRecord(digest.hexdigest(), 0, 0, folder.name, family, "Raster", "", 1, 0)
                dataset.add_font(font, records, shape_ids, label_ids)
            for row in rejected:
                dataset.reject(*row)
        finish(dataset)


def _label(text: str, base: str) -> Label:
    """Raises BadLabel where the base letter is no code point, or one of which is not told how it is meant."""
    base = base.strip()
    try:
        if len(base) == 1:  # of a digit, too
            codepoint = ord(base)
        elif base[:2].upper() in ("U+", "0X"):
            codepoint = int(base[2:], 16)
        else:
            codepoint = int(base)
            if base.startswith("0"):  # as people write hexadecimal ones
                raise BadLabel(f"{base} may be hexadecimal or decimal.", f"Write U+{base} or {codepoint}.")
    except ValueError:
        raise BadLabel(
            f"{base!r} is no code point.", "Write 1593, U+0639, 0x639 or the character itself."
        ) from None
    form = Form(text.rpartition("_")[2]) if text.rpartition("_")[2] in set(Form) else Form.NONE
    folded = fold(Label.parse(str(codepoint)).codepoint)
    return Label(folded.codepoint, form or folded.form)
