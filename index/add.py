"""Adding glyphs of fonts to an index: what they draw becomes references, whether a model knows it or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glyphs.characters import character
from glyphs.dataset.build import DEFAULT_SKIPPED_SCRIPTS, find_fonts, read_faces, read_glyphs
from glyphs.errors import BadFont
from glyphs.fonts import Face, FontFile, Glyph, family_key
from glyphs.labels import Label, fold
from glyphs.raster import Raster, RasterSettings, draw
from index.build import CHUNK, Embed
from index.kinds import RECALL, Kind, Tell, quiet
from index.pictures import Pictures, small_picture
from index.references import References
from index.search import ReferenceIndex

Key = tuple[Label, str, str]  # label, family and style
_NAMED = 3  # refused fonts that an error names
_NOTHING = "It draws no character that is wanted."


class Selection:
    """Which labels of a font become references. Nothing asked for: all but `DEFAULT_SKIPPED_SCRIPTS`."""

    def __init__(self, scripts: Iterable[str] = (), charset: str = "") -> None:
        """scripts: ISO 15924 codes; charset: characters, in all their forms. Both given, both must hold."""
        self._scripts = frozenset(script.title() for script in scripts)
        self._codepoints = frozenset(fold(ord(text)).codepoint for text in charset)
        named = self._scripts | {character(codepoint).script for codepoint in self._codepoints}
        self.skipped_scripts = DEFAULT_SKIPPED_SCRIPTS - named

    def __contains__(self, label: Label) -> bool:
        script = label.character.script
        return (
            script not in self.skipped_scripts
            and (not self._scripts or script in self._scripts)
            and (not self._codepoints or label.codepoint in self._codepoints)
        )


@dataclass(frozen=True, slots=True)
class Added:
    """What adding fonts came to.

    index:   with the new references
    labels:  of the new references
    fonts:   files that gave glyphs
    new, replaced, kept: references that came to the index, took an older one's place, or were left
             out because one of the same label, family and style was there
    refused: (file, reason) of each file that was not used
    """

    index: ReferenceIndex
    labels: frozenset[Label]
    fonts: int
    new: int
    replaced: int
    kept: int
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How many files are done, and how many glyphs were drawn so far."""

    done: int
    glyphs: int


class ReferenceAdder:
    """Draws and embeds the glyphs of fonts; iterate over `run` for progress, then take `added`."""

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        settings: RasterSettings,
        selection: Selection = Selection(),
        into: ReferenceIndex | None = None,
        replace: bool = True,
        kind: Kind = Kind.AUTO,
        recall: float = RECALL,
        anew: bool = False,
    ) -> None:
        """paths: font files, or folders to search for them
        into: the index to add to, None to begin one
        replace: whether a new reference takes the place of one of the same label, family and style.
        kind, recall: of the new index, as of `ReferenceIndex.build`
        anew: whether they were asked for, and `into` becomes such even where nothing comes to it

        Raises:
            BadDataset: a path does not exist, or there is no font.
        """
        self._files = find_fonts(paths)
        self._settings = settings
        self._selection = selection
        self._into = into
        self._before = frozenset(into.references.keys() if into else ())
        self._kind, self._recall, self._anew = kind, recall, anew
        self._taken = set() if replace else set(self._before)  # keys that later glyphs leave alone
        self._kept = 0
        self._new: list[Key] = []
        self._pictures: list[NDArray[np.uint8]] = []
        self.added: Added | None = None

    def __len__(self) -> int:
        """How many files there are."""
        return len(self._files)

    def run(self, embed: Embed, tell: Tell = quiet) -> Iterator[Progress]:
        """Yields after every few hundred glyphs and after every file.

        tell: is told how the index is built, after the last file

        A file that cannot be used is noted with its reason. Of several fonts with one family and
        style the first counts.

        Raises:
            BadFont: not one of the files can be used.
            BadIndex: what `ReferenceIndex.build` and `joined` raise.
        """
        embeddings: list[NDArray[np.float32]] = []
        refused: list[tuple[str, str]] = []
        for done, path in enumerate(self._files, 1):
            seen = self._kept + len(self._new)
            try:
                drawn = self._drawn(read_faces(FontFile.read(path), self._read))
                while chunk := list(islice(drawn, CHUNK)):
                    rasters, metrics = zip(*chunk, strict=True)
                    embeddings.append(embed(np.stack(rasters), np.array(metrics, np.float32)))
                    yield Progress(done - 1, len(self._new))
                if seen == self._kept + len(self._new):
                    raise BadFont(_NOTHING)
            except BadFont as error:
                refused.append((str(path), error.message))
            yield Progress(done, len(self._new))
        if len(refused) == len(self._files):
            reasons = " ".join(f"{path}: {reason}" for path, reason in refused[:_NAMED])
            more = f" And {len(refused) - _NAMED:,} more." if len(refused) > _NAMED else ""
            raise BadFont(f"No font can be used. {reasons}{more}")
        replaced = len(self._before.intersection(self._new))
        self.added = Added(
            index=self._joined(embeddings, tell),
            labels=frozenset(label for label, _, _ in self._new),
            fonts=len(self._files) - len(refused),
            new=len(self._new) - replaced,
            replaced=replaced,
            kept=self._kept,
            refused=tuple(refused),
        )

    def _read(self, face: Face) -> tuple[str, str, dict[Label, Glyph]]:
        """Family, style and the selected glyphs of a face."""
        glyphs, _ = read_glyphs(face, self._selection.skipped_scripts)
        selected = {label: glyph for label, glyph in glyphs.items() if label in self._selection}
        if not selected:
            raise BadFont(_NOTHING)
        return family_key(face.family), face.style, selected

    def _drawn(
        self, faces: Iterable[tuple[str, str, dict[Label, Glyph]]]
    ) -> Iterator[tuple[Raster, tuple[float, ...]]]:
        """Rasters with their metrics of the glyphs that become references, each noted as it is drawn."""
        for family, style, glyphs in faces:
            for label, glyph in glyphs.items():
                key = (label, family, style)
                if key in self._taken:
                    self._kept += 1
                    continue
                try:
                    raster = draw(glyph.outline, self._settings)
                except BadFont:
                    continue
                if not raster.any():
                    continue
                self._taken.add(key)
                self._new.append(key)
                self._pictures.append(small_picture(raster))
                yield raster, astuple(glyph.metrics)

    def _joined(self, embeddings: list[NDArray[np.float32]], tell: Tell) -> ReferenceIndex:
        if self._into is not None and not self._new:  # all of it was there
            if not self._anew:
                return self._into
            embeddings = [np.zeros((0, self._into.dimension), np.float32)]
        references = References(
            [label for label, _, _ in self._new],
            [family for _, family, _ in self._new],
            [style for _, _, style in self._new],
            Pictures.of(self._pictures),
        )
        build = ReferenceIndex.build if self._into is None else self._into.joined
        return build(np.concatenate(embeddings), references, kind=self._kind, recall=self._recall, tell=tell)
