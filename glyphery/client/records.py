"""What the clients tell: typed answers, and what may be said with a question.

What answers gained after their first version has a default, for services that do not say it yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from glyphs.errors import BadInput, GlypheryError

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture: TypeAlias = bytes | str | os.PathLike[str] | Image  # a file's bytes, where it is, or Pillow's

Font: TypeAlias = "str | os.PathLike[str] | tuple[str, bytes]"  # where it is, or its name and its bytes
File: TypeAlias = "bytes | str | os.PathLike[str]"  # a file's bytes, or where it is
Progress = Callable[[int], object]  # told how many have been answered
ReportFormat = Literal["jsonl", "json", "csv", "md", "html"]


class ServiceError(GlypheryError):
    """A problem that the service answered with, or that stood between it and us.

    type: stable, such as urn:glyphery:problem:blank-image; empty where the service said nothing
    status: of HTTP; 0 where the service said nothing
    detail: for people
    retry_after: seconds, after which the service wants to be asked again
    index: the item's place in its batch
    """

    def __init__(
        self,
        detail: str,
        *,
        type: str = "",
        status: int = 0,
        retry_after: float = 0,
        index: int | None = None,
        lost: bool = False,
    ) -> None:
        super().__init__(detail if index is None else f"Item {index}: {detail}")
        self.detail, self.type, self.status = detail, type, status
        self.retry_after, self.index = retry_after, index
        self.transient = lost or status in (429, 503)
        self.exit_code = BadInput.exit_code if 400 <= status < 500 and status != 429 else self.exit_code


@dataclass(frozen=True, slots=True)
class Glyph:
    """A picture in a batch, and what is known of it.

    metrics: in em, any of width, height, bottom and advance
    """

    picture: Picture
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """The model an answer comes from; equal digests mean equal answers."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A label that a picture may show; `equivalents` are labels that are drawn alike."""

    label: str
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str
    probability: float
    equivalents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a picture shows, most probable first; `known` is false for what is like nothing learned."""

    model: Model
    known: bool
    predictions: tuple[Prediction, ...]

    @property
    def best(self) -> Prediction:
        """The most probable label."""
        return self.predictions[0]


@dataclass(frozen=True, slots=True)
class IdentifiedGlyph:
    """A glyph of a font by its index, and what it shows, most probable first.

    mapped: the code points whose glyph the font says it is
    advance: em; None where the glyph cannot be loaded, or the service is older than 0.18
    known: false for what is like nothing learned; None where there is nothing to see, and `reason` says why
    picture: what it draws, a PNG; None without ink, and where none was asked for
    """

    glyph: int
    name: str
    mapped: tuple[str, ...]
    advance: float | None = field(default=None, kw_only=True)
    known: bool | None
    predictions: tuple[Prediction, ...]
    reason: str
    picture: bytes | None = field(default=None, repr=False)

    @property
    def best(self) -> Prediction | None:
        """The most probable label."""
        return self.predictions[0] if self.predictions else None


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A font, or a member of a collection, and its glyphs in order of their indices."""

    face: int
    family: str
    style: str
    glyphs: tuple[IdentifiedGlyph, ...]


@dataclass(frozen=True, slots=True)
class IdentifiedFont:
    """What every glyph of a font shows."""

    model: Model
    faces: tuple[IdentifiedFace, ...]


@dataclass(frozen=True, slots=True)
class DocumentCode:
    """A code of a font of a document, and what it shows, most probable first.

    said: what copying gave; text: what it gives in the repaired document; empty where there is none
    contradicted: whether it says what it surely does not show
    known, picture: as of an `IdentifiedGlyph`
    """

    code: int
    said: str
    text: str
    contradicted: bool
    known: bool | None
    predictions: tuple[Prediction, ...]
    picture: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DocumentFont:
    """A font of a document.

    object: its number in the document
    reason: why its codes are not looked at, or empty
    silent, repaired, unknown, contradicted: codes that show something of which the document says nothing;
        that say something else than they did; that go on saying nothing; that say what they surely do not
        show
    """

    font: str
    object: int
    kind: str
    reason: str
    silent: int
    repaired: int
    unknown: int
    contradicted: int
    codes: tuple[DocumentCode, ...]


@dataclass(frozen=True, slots=True)
class RepairedDocument:
    """A PDF whose text can be copied.

    unread: pages that cannot be read
    signed: whether a signature vouches for what was given, which it does not for what is repaired
    damaged: whether what was given is not as a PDF should be: more may have been in it than was found
    repaired: codes that say something else than they did, of all fonts
    document: the PDF; None where nothing was to be repaired
    """

    model: Model
    pages: int
    unread: int
    signed: bool = field(default=False, kw_only=True)
    damaged: bool = field(default=False, kw_only=True)
    repaired: int
    fonts: tuple[DocumentFont, ...]
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference glyph and its similarity (cosine); `raster` is the path of its picture."""

    label: str
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str
    family: str
    style: str
    similarity: float
    raster: str


@dataclass(frozen=True, slots=True)
class ServedModel(Model):
    """A model as `models()` lists it.

    index: whether it can search, in so many `references`
    primitives: whether it names primitives
    """

    precision: str
    labels: int
    embedding: int
    raster: Mapping[str, int]
    quality: Mapping[str, Any]
    index: bool
    references: int
    primitives: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """Fonts that are scored, or were; as it was when the service was asked.

    status: queued, running, done, failed or cancelled
    created, started, finished: RFC 3339
    reason: why it failed, or does not get on
    fonts: `names` of the first, `total`, `done`, and `counts` of those that are done by status
    current: `font` at work, and how many of `total` glyphs of its face are `done`
    glyphs_done, counts: of fonts that are done; the latter by status
    worst: status of the worst font
    lines: how many results there are so far
    skipped: files that are not scored, as `name` and `reason`; the first of `skipped_total`
    """

    id: str
    status: str
    created: str
    started: str | None
    finished: str | None
    reason: str | None
    model: Model
    fonts: Mapping[str, Any]
    current: Mapping[str, Any] | None
    glyphs_done: int
    counts: Mapping[str, int]
    worst: str | None
    lines: int
    skipped: tuple[Mapping[str, str], ...]
    skipped_total: int

    @property
    def is_finished(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status not in ("queued", "running")


class Context(TypedDict, total=False):
    """What may be said with a picture that is to be classified, or a font that is to be identified.

    k: how many predictions
    model: name or digest of the one that shall answer
    prior: what is likely: fonts, text or uniform
    scripts, labels: the possible ones, as a list or separated by commas
    charset: the possible characters
    """

    k: int | None
    model: str | None
    prior: str | None
    scripts: str | Iterable[str]
    charset: str
    labels: str | Iterable[str]


class Search(TypedDict, total=False):
    """Which neighbours are wanted.

    k: how many
    model: name or digest of the one that shall answer
    scripts, families: only of these, as a list or separated by commas
    distinct: of each label only the nearest
    exclude_same: only of other labels
    timeout: seconds after which the answer is of no use
    """

    k: int | None
    model: str | None
    scripts: str | Iterable[str]
    families: str | Iterable[str]
    distinct: bool
    exclude_same: bool
    timeout: float | None
