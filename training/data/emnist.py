"""EMNIST and MNIST in their own files: gzipped IDX, and a mapping of label numbers to characters.

Cohen et al., "EMNIST: Extending MNIST to handwritten letters", IJCNN 2017. EMNIST stores its
images transposed, MNIST upright; here all are upright. Ink is bright on dark, as it is stored.
Where EMNIST joins a letter with its capital, the label is the capital.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glyphs.equivalence import Equivalence, Evidence
from glyphs.errors import BadDataset, BadLabel
from glyphs.labels import Label
from glyphs.splits import Split
from training.data.pictures import PictureSource

_TRAIN = "train-images-idx3-ubyte"
_DIGITS = {number: Label(ord("0") + number) for number in range(10)}
# ByMerge joins these with their capitals, from which they differ in little but size.
_MERGED = "cijklmopsuvwxyz"
_VALIDATION = 16  # one training image in so many validates
_FAINTEST = 32  # of 255: an image with nothing brighter holds no ink
_DEFLATE = 1032  # deflate makes at most so many bytes of one
_AGAIN = "Fetch the file again."

Tally = Callable[[bytes], None]  # is told the bytes of every file that is read


def emnist_splits(folder: Path) -> Mapping[str, str]:
    """The splits whose files a folder holds -> what the names of those files begin with."""
    starts = sorted(file.name.partition(_TRAIN)[0] for file in folder.glob(f"*{_TRAIN}*"))
    plain = {"mnist": ""} if "" in starts else {}
    return plain | {start[7:-1]: start for start in starts if start.startswith("emnist-")}


def open_emnist(folder: Path, split: str = "") -> PictureSource:
    """Open byclass, bymerge, balanced, letters, digits or mnist; `split` is needed among several.

    A sixteenth of the training images validates, chosen by row number: the same in every process.
    Images without ink are set aside.

    Raises:
        BadDataset: a file is missing, broken, or disagrees with the others.
    """
    start = _start(folder, split)
    digest = sha256()
    characters = _read_mapping(folder / f"{start}mapping.txt", digest.update) if start else _DIGITS
    first, second = f"{start}train", f"{start}test" if start else "t10k"
    train, train_numbers = _read_part(folder, first, characters, digest.update)
    test, test_numbers = _read_part(folder, second, characters, digest.update)
    if train.shape[1:] != test.shape[1:]:
        raise BadDataset(
            f"In {folder}, the images of {first} and {second} differ in size.", "Fetch both again."
        )
    gallery = np.concatenate([train, test])
    if start:
        gallery = np.ascontiguousarray(gallery.transpose(0, 2, 1))

    labels = sorted(set(characters.values()))
    places = np.zeros(256, np.int64)
    for number, label in characters.items():
        places[number] = labels.index(label)
    where = np.concatenate([_train_or_validate(len(train)), np.full(len(test), Split.TEST)])
    blank = np.flatnonzero(gallery.max(axis=(1, 2)) < _FAINTEST)
    where[blank] = ""
    return PictureSource(
        path=folder / split,
        digest=digest.hexdigest(),
        all_labels=labels,
        label=places[np.concatenate([train_numbers, test_numbers])],
        split=where,
        gallery=gallery,
        alike=_alike(labels),
        rejected=[
            (
                f"{first}, image {row}" if row < len(train) else f"{second}, image {row - len(train)}",
                "It holds no ink.",
            )
            for row in blank.tolist()
        ],
    )


def _start(folder: Path, split: str) -> str:
    splits = emnist_splits(folder)
    if not splits:
        raise BadDataset(
            f"{folder} holds no files of EMNIST.", f"They are named as in emnist-byclass-{_TRAIN}.gz."
        )
    if not split and len(splits) == 1:
        return next(iter(splits.values()))
    if split not in splits:
        said = f"no split {split}" if split else "several splits"
        raise BadDataset(f"{folder} holds {said} of EMNIST.", f"Name one of {', '.join(splits)}.")
    return splits[split]


def _train_or_validate(count: int) -> NDArray[np.str_]:
    """(count,) whether each row trains or validates. Philox is a hash of the row's number."""
    validates = np.random.Philox(key=0).random_raw(count) % _VALIDATION == 0
    return np.where(validates, Split.VALIDATION, Split.TRAIN)


def _alike(labels: list[Label]) -> Equivalence:
    """The letters that ByMerge joins, where they are labels of their own."""
    known = {label.codepoint for label in labels}
    pairs = [(ord(letter.upper()), ord(letter)) for letter in _MERGED]
    return Equivalence(
        Evidence(Label(capital), Label(small), "emnist")
        for capital, small in pairs
        if {capital, small} <= known
    )


# --- files --------------------------------------------------------------------------------------


def _read_mapping(path: Path, tally: Tally) -> dict[int, Label]:
    """Label number -> character, from lines of a number and the code points that share it."""
    characters = {}
    data = _read(path, tally)
    for line, text in enumerate(data.splitlines(), 1):
        if not text.strip():
            continue
        try:
            number, codepoint = text.decode("ascii").split()[:2]
            if not (number.isdigit() and int(number) < 256):
                raise ValueError
            characters[int(number)] = Label.parse(codepoint)
        except (ValueError, BadLabel):
            raise BadDataset(
                f"{path}, line {line} is not a label's number (0 to 255) and a code point.", _AGAIN
            ) from None
    return characters


def _read_part(
    folder: Path, name: str, characters: Mapping[int, Label], tally: Tally
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, H, W) as they are stored and label numbers (N,), N at least 1."""
    paths = [_find(folder, f"{name}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
    images, numbers = (_read_idx(path, dims, tally) for path, dims in zip(paths, (3, 1), strict=True))
    if len(images) != len(numbers):
        raise BadDataset(
            f"{paths[0]} has {len(images):,} images, but {paths[1].name} {len(numbers):,} labels.",
            "Fetch both again.",
        )
    unknown = np.setdiff1d(numbers, [*characters])
    if unknown.size:
        raise BadDataset(f"{paths[1]} has the label {unknown[0]}, which is mapped to no character.", _AGAIN)
    return images, numbers


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    raise BadDataset(f"{folder} lacks {name}.gz.", "Fetch all the files of the split.")


def _read(path: Path, tally: Tally) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}.", _AGAIN) from None
    tally(data)
    return data


def _read_idx(path: Path, dimensions: int, tally: Tally) -> NDArray[np.uint8]:
    """An array of bytes, gzipped or not: big-endian magic number, counts, content.

    The counts are held against what the file can contain before anything so large is made.
    """
    data = _read(path, tally)
    size = 4 + 4 * dimensions
    packed = data[:2] == b"\x1f\x8b"
    inflate = zlib.decompressobj(wbits=31)
    try:
        header = inflate.decompress(data, size) if packed else data[:size]
        if len(header) < size:
            raise BadDataset(f"{path} breaks off in its header.", _AGAIN)
        magic, *shape = np.frombuffer(header, ">u4").tolist()
        if magic != 0x800 + dimensions:
            raise BadDataset(f"{path} is not IDX of bytes in {dimensions} dimension(s).", _AGAIN)
        claimed = math.prod(shape)
        if not claimed or claimed > _DEFLATE * len(data):
            raise BadDataset(f"{path} says that it holds {shape}, which it cannot.", _AGAIN)
        content = inflate.decompress(inflate.unconsumed_tail, claimed + 1) if packed else data[size:]
    except zlib.error as error:
        raise BadDataset(f"{path} is broken: {error}.", _AGAIN) from None
    if len(content) != claimed or (packed and not inflate.eof):
        more = "more" if len(content) > claimed else "less"
        raise BadDataset(f"{path} holds {more} than its header says.", _AGAIN)
    return np.frombuffer(content, np.uint8).reshape(shape)
