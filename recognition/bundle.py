"""A bundle: the folder that is shipped. Loading one checks every file before anything is used.

    manifest.json      what the model is, how good, where from; SHA-256 of every other file
    model.onnx         image, metrics -> logits, embedding
    model.int8.onnx    optional, as model.fp16.onnx: the same model in fewer bits
    fast.onnx          optional: a quicker model of the same interface, whose answer stands where it is sure
    labels.json        the labels in the order of the logits, how many families have each,
                       and its name where it stands for no character
    equivalence.json   which of them look the same
    prototypes.npy     (L, E) float16, the mean embedding of each label's training glyphs, unit length
    index.*, references.npz, pictures.bin    optional: the reference glyphs (floor `index`)

Nothing in it is ever unpickled. The bundle's digest is the SHA-256 of its manifest, and so
stands for every byte of it.

`FOLDER@int8` is the same bundle with its model in fewer bits, wherever a bundle is asked for. It has a
digest of its own, of the manifest and `@int8`, for it answers otherwise now and then.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bundles import shipped_or
from glyphs import folders
from glyphs.equivalence import Equivalence
from glyphs.errors import BadBundle, BadInput, BadLabel
from glyphs.labels import Label
from glyphs.raster import RasterSettings

FORMAT = 2
MANIFEST, MODEL, LABELS, EQUIVALENCE = "manifest.json", "model.onnx", "labels.json", "equivalence.json"
FAST, PROTOTYPES = "fast.onnx", "prototypes.npy"
# Names of the model's inputs and outputs.
IMAGE, METRICS, LOGITS, EMBEDDING = "image", "metrics", "logits", "embedding"
PRIMITIVES = "primitives"  # an output of models that name them
_REMEDY = "Export the bundle anew, or fetch it again."
# What a manifest has that is handed on as it is.
_KINDS = {"name": str, "version": str, "quality": dict, "provenance": dict, "index": dict, "files": dict}


def bundle_at(target: Path) -> Path | None:
    """What loads the bundle that a path, or a shipped bundle's name, stands for; None where it is none."""
    folder, precision = _located(target)
    return in_precision(folder, precision) if (folder / MANIFEST).is_file() else None


def model_at(address: Path) -> Path:
    """The file of the model that `Bundle.load` would find there, whether or not it is any good."""
    folder, precision = _located(address)
    return folder / model_file(precision)


def in_precision(folder: Path, precision: str) -> Path:
    """What stands for a folder's model in a precision; the folder itself where that is empty."""
    return folder.with_name(f"{folder.name}@{precision}") if precision else folder


def model_file(variant: str = "") -> str:
    """The name of the file that holds a bundle's model, or the same in fewer bits."""
    return f"model.{variant}.onnx" if variant else MODEL


def _located(target: Path) -> tuple[Path, str]:
    """A bundle's folder, and the precision that its model is wanted in; empty for that of `MODEL`."""
    name, _, precision = target.name.rpartition("@")
    if not name or os.path.exists(target):  # False, too, of what can be no path
        return shipped_or(target), ""
    return shipped_or(target.with_name(name)), precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """When the answer of `fast.onnx` stands, and the other model is not asked.

    sure: least probability of its best label, over all labels and under the font prior
    temperature: what its scores are divided by for that
    fast: name, version and digest of the bundle that it was made of
    """

    sure: float
    temperature: float
    fast: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The model in fewer bits; temperature and threshold are chosen anew, as those of a manifest.

    quality: how it answers beside the float32 model
    """

    temperature: float
    known_threshold: float
    quality: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """manifest.json as a record.

    embedding: width of the embedding
    precision: of `MODEL`, or of the model that a bundle was loaded with
    variants: by precision, the same model in fewer bits
    cascade: of a bundle with a quicker model in front of the other
    temperature: what scores are divided by to become probabilities, chosen on validation
    known_threshold: least familiarity (`recognition.familiarity`) at which a glyph counts as known
    quality: figures on families never trained on; provenance: data, configuration and code
    index: how the index was built, and its recall (`index.kinds.Built`); empty where that was not recorded
    files: name -> SHA-256, hexadecimal
    """

    name: str
    version: str
    raster: RasterSettings
    embedding: int
    labels: int
    precision: str = "fp32"
    variants: Mapping[str, Variant] = field(default_factory=dict)
    cascade: Cascade | None = None
    temperature: float = 1.0
    known_threshold: float = 0.0
    quality: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises BadBundle where the text is no manifest of this format."""
        try:
            values = json.loads(text)
            if values.get("format") != FORMAT:
                raise BadBundle(f"Its manifest has format {values.get('format')}, not {FORMAT}.", _REMEDY)
            for name, kind in _KINDS.items():
                if not isinstance(values.get(name, kind()), kind):
                    raise BadBundle(f"Its manifest has {values[name]!r} as {name}.", _REMEDY)
            values["raster"] = RasterSettings(**values["raster"])
            if values.get("cascade") is not None:
                values["cascade"] = Cascade(**values["cascade"])
            values["variants"] = {
                precision: Variant(**variant) for precision, variant in values.get("variants", {}).items()
            }
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadBundle(f"Its manifest cannot be read: {error}.", _REMEDY) from None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle.

    path: its folder
    variant: the precision that was asked for, empty where that of the folder is taken
    families: (L,) how many training families have each label
    names: of labels that stand for no character, such as faces or species
    prototypes: (L, E) float32, unit rows; zero for a label without training glyphs
    """

    path: Path
    variant: str
    manifest: Manifest
    digest: str
    labels: tuple[Label, ...]
    families: tuple[int, ...]
    equivalence: Equivalence
    names: Mapping[Label, str]
    prototypes: NDArray[np.float32]

    @property
    def address(self) -> Path:
        """What `load` finds it by, in this precision."""
        return in_precision(self.path, self.variant)

    @property
    def model(self) -> Path:
        """The file of its model."""
        return self.path / model_file(self.variant)

    @property
    def log_prior(self) -> NDArray[np.float32]:
        """(L,) float32: the font prior. A label of no family counts like one of a single family: it must
        not become impossible.
        """
        prior: NDArray[np.float32] = np.log(np.maximum(np.array(self.families, np.float32), 1))
        return prior

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and check a bundle: a folder, or a shipped one by its name, with `@PRECISION` or without.

        Raises:
            BadBundle: it is missing, incomplete, altered, or contradicts itself; or has no such precision.
        """
        path, precision = _located(path)
        try:
            text = (path / MANIFEST).read_bytes()
        except OSError as error:
            raise BadBundle(f"There is no bundle at {path}: {error.strerror}.") from None
        try:
            manifest = Manifest.from_json(text.decode("utf-8", "replace"))
            if precision and precision not in manifest.variants:
                raise BadBundle(
                    f"It has no model in {precision}.",
                    f"It has {', '.join(manifest.variants) or 'no other'}.",
                )
            for name in (
                MODEL,
                model_file(precision),
                LABELS,
                EQUIVALENCE,
                PROTOTYPES,
                *((FAST,) if manifest.cascade else ()),
            ):
                if name not in manifest.files:
                    raise BadBundle(f"Its manifest lists no {name}.", _REMEDY)
            for name, expected in manifest.files.items():
                if Path(name).name != name or _sha256(path / name) != expected:
                    raise BadBundle(f"{name} is not the file its manifest describes.", _REMEDY)
            rows = json.loads((path / LABELS).read_text(encoding="utf-8"))["labels"]
            labels = tuple(Label.parse(text) for text, *_ in rows)
            families = tuple(int(count) for _, count, *_ in rows)
            names = {label: str(row[2]) for label, row in zip(labels, rows, strict=True) if len(row) > 2}
            if len(labels) != manifest.labels or len(set(labels)) != len(labels):
                raise BadBundle(
                    f"It has {len(set(labels))} labels where its manifest says {manifest.labels}.", _REMEDY
                )
            equivalence = Equivalence.from_json((path / EQUIVALENCE).read_text(encoding="utf-8"))
            prototypes = np.load(path / PROTOTYPES, allow_pickle=False).astype(np.float32)
            if prototypes.shape != (len(labels), manifest.embedding):
                raise BadBundle(f"Its prototypes have shape {prototypes.shape}.", _REMEDY)
            if precision:
                manifest = replace(manifest, precision=precision, **asdict(manifest.variants[precision]))
            if not 0 < manifest.temperature < float("inf"):
                raise BadBundle(f"Its temperature is {manifest.temperature}.", _REMEDY)
            pair = manifest.cascade
            if pair and not (pair.sure >= 0 and 0 < pair.temperature < float("inf")):
                raise BadBundle(f"Its cascade is {pair}.", _REMEDY)
            if not abs(manifest.known_threshold) < float("inf"):
                raise BadBundle(f"Its known_threshold is {manifest.known_threshold}.", _REMEDY)
        except BadBundle as error:
            raise BadBundle(f"The bundle {path} cannot be used: {error.message}", error.remedy) from None
        except (OSError, ValueError, TypeError, KeyError, RecursionError, BadLabel, BadInput) as error:
            raise BadBundle(f"The bundle {path} cannot be used: {error}.", _REMEDY) from None
        digest = _digest(text, precision)
        return cls(path, precision, manifest, digest, labels, families, equivalence, names, prototypes)

    @classmethod
    def load_whole(cls, path: Path) -> Bundle:
        """A bundle that is to be written anew.

        Raises:
            BadInput: it is one precision alone.
            BadBundle: what `load` raises.
        """
        bundle = cls.load(path)
        if bundle.variant:
            raise BadInput(f"{path} is a bundle's model in {bundle.variant} only.", f"Name {bundle.path}.")
        return bundle

    def check_in_place(self) -> None:
        """To be asked when the last of its files has been opened.

        Raises:
            BadBundle: its folder has been replaced since it was loaded, and they may be those of another.
        """
        try:
            unchanged = _digest((self.path / MANIFEST).read_bytes(), self.variant) == self.digest
        except OSError:
            unchanged = False
        if not unchanged:
            raise BadBundle(f"The bundle {self.path} was replaced meanwhile.", "Load it anew.")

    def copy(self, folder: Path, *, index: bool = True, variants: bool = True) -> None:
        """Put its files into a folder, from which another bundle is made.

        Raises:
            BadBundle: as of `check_in_place`.
        """
        for name in self.manifest.files:  # not copytree, which does not tell that the disk is full
            kept = index or not name.startswith("index.")
            if kept and (variants or not fnmatch(name, model_file("*"))):
                shutil.copy(self.path / name, folder)
        self.check_in_place()

    def has(self, name: str) -> bool:
        """Whether the bundle holds a file of that name."""
        return name in self.manifest.files


def seal(path: Path, manifest: Manifest) -> Manifest:
    """Hash every file of the folder into the manifest and write it; the last step of making a bundle."""
    unfinished = path / f"{MANIFEST}.tmp"
    unfinished.unlink(missing_ok=True)  # of who was killed
    files = {
        file.name: _sha256(file)
        for file in sorted(path.iterdir())
        if file.is_file() and file.name != MANIFEST
    }
    sealed = replace(manifest, files=files)
    try:
        unfinished.write_text(sealed.to_json(), encoding="utf-8")
        os.replace(unfinished, path / MANIFEST)
    finally:
        unfinished.unlink(missing_ok=True)
    return sealed


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A folder beside `path` to make a bundle in; it takes the place of `path` if the block ends well.

    Raises:
        BadBundle: `path` is a folder of something else, which is left alone, or another bundle took its place
            meanwhile, which stays.
    """
    if not folders.is_free(path, lambda there: all((there / name).exists() for name in (MANIFEST, LABELS))):
        raise BadBundle(f"{path} is there already and is no bundle.", "Choose another place.")
    before = _text(path)
    with folders.replacing(path) as work:
        yield work
        if _text(path) != before:
            raise BadBundle(f"{path} was changed meanwhile.", "Nothing was written; run it again.")


def _text(path: Path) -> bytes | None:
    """The manifest of what is there, if anything."""
    try:
        return (path / MANIFEST).read_bytes()
    except OSError:
        return None


def _digest(manifest: bytes, variant: str) -> str:
    """A bundle's, of the text of its manifest, which has those of all files; another one for each variant."""
    return f"sha256:{sha256(manifest + (f'@{variant}'.encode() if variant else b'')).hexdigest()}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
