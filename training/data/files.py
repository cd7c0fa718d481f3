"""Picture files as a source: each is read when the source is opened, and again on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from glyphs.errors import BadDataset, BadPicture
from glyphs.labels import Label
from glyphs.picture import PictureLimits, read_colours, read_picture
from glyphs.splits import Split
from training.data.pictures import PictureSource
from training.data.source import Pixels

_KEPT_BYTES = 2**30
_LIMITS = PictureLimits()


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture that should be there. name: its path under the root, as `name_within` gives it."""

    name: str
    label: Label
    family: str
    split: Split


def name_within(root: Path, file: Path) -> str:
    """The posix path of a file under `root`, links and `..` resolved. `root` is resolved itself.

    Raises:
        BadPicture: there is no such file, or it lies elsewhere.
    """
    try:
        found = file.resolve()
        if not found.is_relative_to(root):
            raise BadPicture(f"It lies outside {root}.")
        if not found.is_file():
            raise BadPicture("There is no such file.")
        name = found.relative_to(root).as_posix()
        name.encode()
    except (OSError, ValueError, RuntimeError):  # too long, no UTF-8, a circle of links
        raise BadPicture("Its name cannot be used.") from None
    return name


def open_files(
    path: Path,
    root: Path,
    listed: Iterable[Listed],
    rejected: Sequence[tuple[str, str]],
    *,
    called: Mapping[Label, str],
    colour: bool,
) -> PictureSource:
    """A source of the files under `root` that can be read; the others are added to the rejected.

    Raises:
        BadDataset: those that can be read have fewer than two labels.
    """
    gallery = PictureFiles(colour=colour)
    total, refused, taken = sha256(), list(rejected), list[Listed]()
    for picture in listed:
        try:
            digest = gallery.add(root / picture.name)
        except BadPicture as error:
            refused.append((picture.name, error.message))
            continue
        taken.append(picture)
        named = (picture.name, str(picture.label), called.get(picture.label, ""), picture.split)
        total.update("\0".join(named).encode() + digest)
    # A name may hold bytes that cannot be printed.
    refused = sorted((name.encode(errors="backslashreplace").decode(), why) for name, why in refused)
    labels, label = np.unique([picture.label for picture in taken], return_inverse=True)
    families, family = np.unique([picture.family for picture in taken], return_inverse=True)
    if len(labels) < 2:
        first = " ({}: {})".format(*refused[0]) if refused else ""
        raise BadDataset(
            f"{path} has pictures of {len(labels)} classes, and {len(refused)} that cannot be read{first}.",
            "Give each class a folder of pictures or an index_<name>.json, and at least two of them.",
        )
    return PictureSource(
        path=path,
        digest=total.hexdigest(),
        all_labels=labels.tolist(),
        label=label,
        split=np.array([picture.split for picture in taken]),
        gallery=gallery,
        family=family,
        families=families.tolist(),
        called=called,
        rejected=refused,
    )


class PictureFiles:
    """A gallery of files; pixels once decoded are kept until `_KEPT_BYTES` are."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._files: list[Path] = []
        self._kept: dict[int, Pixels] = {}
        self._nbytes = 0

    def __getitem__(self, number: int, /) -> Pixels:
        """Raises BadPicture where a file has changed since."""
        if number in self._kept:
            return self._kept[number]
        return self._keep(number, self._decode(_read(self._files[number])))

    def add(self, file: Path) -> bytes:
        """Append a file and return its SHA-256.

        Raises:
            BadPicture: it cannot be read; nothing is appended.
        """
        data = _read(file)
        self._keep(len(self._files), self._decode(data))
        self._files.append(file)
        return sha256(data).digest()

    def _decode(self, data: bytes) -> Pixels:
        return read_colours(data) if self._colour else read_picture(data)

    def _keep(self, number: int, pixels: Pixels) -> Pixels:
        if self._nbytes + pixels.nbytes <= _KEPT_BYTES:
            self._nbytes += pixels.nbytes
            self._kept[number] = pixels
        return pixels


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LIMITS.max_bytes:
            raise BadPicture(f"The file has more than {_LIMITS.max_bytes:,} bytes.")
        return file.read_bytes()
    except OSError as error:
        raise BadPicture(f"It cannot be read: {error.strerror}.") from None
