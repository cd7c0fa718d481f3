"""The answers, as clients may rely on them: fields may be added, never renamed."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

LONGEST_ID: Final = 200  # characters of a name that a sender gives to a picture of a batch
Extent = Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)]  # em
Position = Annotated[float, Field(ge=-64, le=64, allow_inf_nan=False)]  # em

_AIN: JsonDict = {
    "label": "1593_init",
    "codepoint": "U+0639",
    "character": "\u0639",
    "form": "init",
    "name": "ARABIC LETTER AIN",
    "script": "Arab",
}
_MODEL: JsonDict = {
    "name": "levit_128s",
    "version": "1.0",
    "digest": "sha256:9f2c1d0e7ab35846c1fd90a2be3471c58d06e92ab7f4415c3d8e60a92b7c1f54",
}
PICTURE_EXAMPLE: JsonDict = {"image": "iVBORw0KGgo...", "metrics": {"width": 0.61, "height": 0.72}}
_CLASSIFY: JsonDict = {
    "model": _MODEL,
    "known": True,
    "predictions": [{**_AIN, "probability": 0.97, "equivalents": []}],
}
_NEIGHBOUR: JsonDict = {**_AIN, "family": "Amiri", "style": "Regular", "similarity": 0.93}
_SIMILAR: JsonDict = {"model": _MODEL, "neighbours": [{**_NEIGHBOUR, "raster": "/references/123.png"}]}
_EMBED: JsonDict = {"model": _MODEL, "embedding": [0.0721, -0.1134]}
_PRIMITIVES: JsonDict = {
    "model": _MODEL,
    "raster": "iVBORw0KGgo...",
    "cell": 64,
    "grid": [[0, 812], [813, 32]],
}
_IDENTIFY: JsonDict = {
    "model": _MODEL,
    "faces": [{
        "face": 0,
        "family": "Amiri",
        "style": "Regular",
        "glyphs": [
            {"glyph": 0, "name": ".notdef", "mapped": [], "advance": 0.5, "known": None, "predictions": [],
             "reason": "It is the font's box for missing glyphs.", "picture": None},
            {"glyph": 1, "name": "g1", "mapped": ["U+E001"], "advance": 0.61, "known": True,
             "predictions": [{**_AIN, "probability": 0.99, "equivalents": []}], "reason": "",
             "picture": None},
        ],
    }],
}  # fmt: skip
_REPAIR: JsonDict = {
    "model": _MODEL,
    "pages": 1,
    "unread": 0,
    "signed": False,
    "damaged": False,
    "repaired": 1,
    "fonts": [{
        "font": "ABCDEF+Amiri",
        "object": 7,
        "kind": "Type0",
        "reason": "",
        "silent": 1,
        "repaired": 1,
        "unknown": 0,
        "contradicted": 0,
        "codes": [{"code": 12, "said": "", "text": "\u0639", "contradicted": False, "known": True,
                   "predictions": [{**_AIN, "probability": 0.99, "equivalents": []}], "picture": None}],
    }],
    "document": "JVBERi0xLjcKJb/3ov4K...",
}  # fmt: skip
_SERVED: JsonDict = {
    **_MODEL,
    "precision": "fp32",
    "labels": 4123,
    "embedding": 128,
    "raster": {"size": 128, "box": 112},
    "quality": {"top_1": 0.78},
    "index": True,
    "references": 60000,
    "primitives": False,
    "fast": None,
}
_JOB: JsonDict = {
    "id": "5e0d8a6f2b9c4c7f9d3e1a0b6c5d4e3f",
    "status": "running",
    "created": "2026-11-21T19:06:01.204Z",
    "started": "2026-11-21T19:06:02.310Z",
    "finished": None,
    "reason": None,
    "model": _MODEL,
    "fonts": {"names": ["Amiri-Regular.ttf", "Amiri-Bold.ttf"], "total": 2, "done": 1,
              "counts": {"PASS": 0, "SKIP": 0, "WARN": 0, "FAIL": 1, "ERROR": 0}},
    "current": {"font": "Amiri-Bold.ttf", "done": 256, "total": 1204},
    "glyphs_done": 1210,
    "counts": {"PASS": 1190, "SKIP": 12, "WARN": 6, "FAIL": 2, "ERROR": 0},
    "worst": "FAIL",
    "lines": 1210,
    "skipped": [{"name": "OFL.txt", "reason": "no font"}],
    "skipped_total": 1,
    "links": {"self": "/jobs/5e0d...", "events": "/jobs/5e0d.../events", "results": "/jobs/5e0d.../results",
              "report": "/jobs/5e0d.../report"},
}  # fmt: skip
_PROBLEM: JsonDict = {
    "type": "urn:glyphery:problem:image-too-large",
    "title": "Image too large",
    "status": 413,
    "detail": "The picture has more than 24000000 pixels.",
    "limit": 24000000,
    "unit": "pixels",
}


def _shown(example: JsonDict) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class Metrics(BaseModel):
    """Where the glyph stands in its font, in em; leave out what is not known."""

    model_config = ConfigDict(extra="forbid")

    width: Extent | None = Field(default=None, description="width of the ink")
    height: Extent | None = Field(default=None, description="height of the ink")
    bottom: Position | None = Field(default=None, description="lowest point of the ink above the baseline")
    advance: Extent | None = Field(default=None, description="advance width")


class PictureBody(BaseModel):
    """A picture in JSON."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"image": "iVBORw0KGgo...", "metrics": {"width": 0.61}}]},
    )

    image: str = Field(description="the picture's bytes in base64")
    metrics: Metrics | None = None


class ItemBody(PictureBody):
    """A picture of a batch: one line of NDJSON."""

    id: str | None = Field(default=None, max_length=LONGEST_ID, description="comes back with the answer")


class ServedBy(BaseModel):
    """The model an answer comes from."""

    name: str
    version: str
    digest: str = Field(description="of the bundle; equal digests mean equal answers")


class LabelFields(BaseModel):
    """A label and what Unicode says of it."""

    label: str = Field(description="decimal code point, with the joining form where there is one")
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str


class PredictionFields(LabelFields):
    """A label the picture may show."""

    probability: float = Field(description="among the possible labels; they sum to 1")
    equivalents: list[str] = Field(description="labels that are drawn alike and cannot be told apart")


class NeighbourFields(LabelFields):
    """A reference glyph that looks like what was asked."""

    family: str
    style: str
    similarity: float = Field(description="cosine, -1 to 1")
    raster: str = Field(description="path of the reference's picture")


class ClassifyResponse(BaseModel):
    """What a picture shows, most probable first."""

    model_config = _shown(_CLASSIFY)

    model: ServedBy
    known: bool = Field(description="whether the picture looks like anything the model has learned")
    predictions: list[PredictionFields]


class GlyphFields(BaseModel):
    """A glyph of a font, and what it shows, most probable first."""

    glyph: int = Field(description="its index in the font")
    name: str
    mapped: list[str] = Field(description="the code points whose glyph the font says it is")
    advance: float | None = Field(description="in em; null where the glyph cannot be loaded")
    known: bool | None = Field(
        description="whether it looks like anything the model has learned; null where there is nothing to see"
    )
    predictions: list[PredictionFields]
    reason: str = Field(description="why there is nothing to see")
    picture: str | None = Field(description="a PNG in base64; null without ink, and where none was asked for")


class FaceFields(BaseModel):
    """A font, or a member of a collection, with all of its glyphs by their indices."""

    face: int
    family: str
    style: str
    glyphs: list[GlyphFields]


class IdentifyResponse(BaseModel):
    """What every glyph of a font shows."""

    model_config = _shown(_IDENTIFY)

    model: ServedBy
    faces: list[FaceFields]


class CodeFields(BaseModel):
    """A code of a document's font: what the document says of it, and what it shows, most probable first."""

    code: int
    said: str = Field(description="what copying gives; empty where the document says nothing")
    text: str = Field(description="what copying will give; empty where that is not known")
    contradicted: bool = Field(description="whether it says what it surely does not show")
    known: bool | None = Field(description="as of glyphs; null where there is nothing to see")
    predictions: list[PredictionFields]
    picture: str | None = Field(description="what it draws, as of glyphs")


class DocumentFontFields(BaseModel):
    """A font of a document, and the codes of it that the document uses."""

    font: str
    object: int = Field(description="its number in the document")
    kind: str
    reason: str = Field(description="why its codes are not looked at")
    silent: int = Field(description="codes that show something of which the document says nothing")
    repaired: int = Field(description="codes that say something else than they did")
    unknown: int = Field(description="codes that go on saying nothing")
    contradicted: int = Field(description="codes that say what they surely do not show")
    codes: list[CodeFields]


class RepairResponse(BaseModel):
    """What the fonts of a document show, and the document with that written down."""

    model_config = _shown(_REPAIR)

    model: ServedBy
    pages: int
    unread: int = Field(description="pages that cannot be read")
    signed: bool = Field(
        description="whether a signature vouches for what was posted, which it does not for what is repaired"
    )
    damaged: bool = Field(
        description="whether the file is not as it should be: more may have been in it than was found"
    )
    repaired: int = Field(description="codes that say something else than they did, of all fonts")
    fonts: list[DocumentFontFields]
    document: str | None = Field(description="the PDF in base64; null where nothing was to be repaired")


class SimilarResponse(BaseModel):
    """Reference glyphs, most similar first."""

    model_config = _shown(_SIMILAR)

    model: ServedBy
    neighbours: list[NeighbourFields]


class EmbedResponse(BaseModel):
    """A picture's embedding: glyphs that look alike have a large inner product."""

    model_config = _shown(_EMBED)

    model: ServedBy
    embedding: list[float] = Field(description="of length 1")


class PrimitivesResponse(BaseModel):
    """What a model sees in each cell of a raster."""

    model_config = _shown(_PRIMITIVES)

    model: ServedBy
    raster: str = Field(description="the raster as the model sees it, dark on white: a PNG in base64")
    cell: int = Field(description="pixels a side")
    grid: list[list[int]] = Field(description="rows of cells: the number of the primitive in each")


class RasterFields(BaseModel):
    """How pictures are brought to the model, in pixels."""

    size: int
    box: int


class ModelFields(ServedBy):
    """A served model."""

    precision: str
    labels: int = Field(description="how many labels it knows")
    embedding: int = Field(description="numbers in an embedding")
    raster: RasterFields
    quality: dict[str, Any] = Field(description="measured on font families it was never trained on")
    index: bool = Field(description="whether /similar answers")
    references: int = Field(description="how many reference glyphs the index holds")
    primitives: bool = Field(description="whether /primitives answers")
    fast: dict[str, str] | None = Field(
        description="of a cascade: name, version and digest of the quicker model in front; null of any other"
    )


class ModelsResponse(BaseModel):
    """The served models."""

    model_config = _shown({"models": [_SERVED]})

    models: list[ModelFields]


class LoadModel(BaseModel):
    """Which bundle to serve under a name."""

    model_config = ConfigDict(extra="forbid") | _shown({"path": "/models/levit_128s-1.1"})

    path: str | None = Field(
        default=None,
        min_length=1,
        description="folder of the bundle, on the server; the one the model was loaded from otherwise",
    )


class LoadResponse(ModelFields):
    """A model that has just been loaded."""

    model_config = _shown({**_SERVED, "replaced": None})

    replaced: str | None = Field(description="digest of the bundle that had the name until then")


class FontsOfJob(BaseModel):
    """The fonts of a job."""

    names: list[str] = Field(description="of the first three")
    total: int
    done: int
    counts: dict[str, int] = Field(description="those that are done, by status")


class FontAtWork(BaseModel):
    """The font that is being scored, and how many glyphs of its present face have been recognised."""

    font: str
    done: int
    total: int


class SkippedFile(BaseModel):
    """A file that came with the fonts and is not scored."""

    name: str
    reason: str


class JobLinks(BaseModel):
    """Paths of what there is of a job."""

    self: str
    events: str
    results: str
    report: str


class JobFields(BaseModel):
    """A job."""

    model_config = _shown(_JOB)

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    created: str = Field(description="RFC 3339, as are the other times")
    started: str | None
    finished: str | None
    reason: str | None = Field(description="why it failed, or does not get on")
    model: ServedBy
    fonts: FontsOfJob
    current: FontAtWork | None
    glyphs_done: int = Field(description="of the fonts that are done")
    counts: dict[str, int] = Field(description="these by status: PASS, SKIP, WARN, FAIL, ERROR")
    worst: str | None = Field(description="status of the worst font that is done")
    lines: int = Field(description="how many its results have so far")
    skipped: list[SkippedFile] = Field(description="the first of them")
    skipped_total: int
    links: JobLinks


class JobsResponse(BaseModel):
    """Jobs, the newest first."""

    model_config = _shown({"jobs": [_JOB], "next": "/jobs?limit=1&before=12"})

    jobs: list[JobFields]
    next: str | None = Field(description="path of those that follow")


class Health(BaseModel):
    """That the service is there."""

    model_config = _shown({"status": "ok"})

    status: str


class Readiness(Health):
    """That it answers, and what its models run on."""

    model_config = _shown({"status": "ready", "providers": {"levit_128s": "CPUExecutionProvider"}})

    providers: dict[str, str] = Field(description="by model, ONNX Runtime's name of what it runs on")


class Problem(BaseModel):
    """An RFC 9457 problem document. `type` is stable; the other texts are for people."""

    model_config = ConfigDict(extra="allow") | _shown(_PROBLEM)

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = Field(None, description="the request, as the service's log names it")
