"""Requests as the service wants them, and how their answers are read."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import NDArray

from glyphery.client.records import (
    Context,
    DocumentCode,
    DocumentFont,
    File,
    Font,
    Glyph,
    IdentifiedFace,
    IdentifiedFont,
    IdentifiedGlyph,
    Job,
    Model,
    Neighbour,
    Prediction,
    Recognition,
    RepairedDocument,
    ReportFormat,
    Search,
    ServedModel,
)
from glyphs.errors import BadFont, BadInput, BadPicture

if TYPE_CHECKING:
    from glyphery.client.records import Picture

T = TypeVar("T")
Params: TypeAlias = dict[str, "str | float"]

_MOST_TOGETHER, _MOST_BYTES = 256, 4 * 2**20  # of one request of a batch
_MOST_LISTED = 100  # jobs of one request
# Of a document: what a server gives it unless set otherwise, and what sending it and the answer may take.
_DOCUMENT_SECONDS, _ON_THE_WAY = 60, 30
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
_AS_PNG = {"I": "I;16", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}  # others as RGB


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A request, and how its answer is read.

    method: of what sends nothing
    once: it is not to be done twice
    seconds: within which the answer has to come, where that is not the client's affair
    """

    path: str
    read: Callable[[httpx.Response], T]
    params: Params = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/octet-stream"
    fonts: Sequence[Font] = ()
    method: str = "GET"
    once: bool = False
    seconds: float | None = None

    @property
    def request(self) -> dict[str, Any]:
        """As httpx wants it."""
        asked: dict[str, Any] = {"method": "POST", "url": self.path, "params": self.params}
        if self.seconds is not None:
            asked["timeout"] = self.seconds
        if self.fonts:
            return asked | {"files": [("font", _font_file(font)) for font in self.fonts]}
        if self.content is None:
            return asked | {"method": self.method}
        return asked | {"content": self.content, "headers": {"Content-Type": self.media_type}}


def classify(
    picture: Picture, metrics: Mapping[str, float] | None, timeout: float | None, context: Context
) -> Question[Recognition]:
    params = of_context(**context) | _metrics(**(metrics or {})) | _query(timeout=timeout)
    return Question("/classify", lambda response: recognition(response.json()), params, _bytes_of(picture))


def similar(
    picture: Picture, metrics: Mapping[str, float] | None, search: Search
) -> Question[list[Neighbour]]:
    params = _search(**search) | _metrics(**(metrics or {}))
    return Question("/similar", _neighbours, params, _bytes_of(picture))


def similar_to(label: str, search: Search) -> Question[list[Neighbour]]:
    return Question(f"/similar/{quote(label, safe='')}", _neighbours, _search(**search))


def embed(
    picture: Picture, metrics: Mapping[str, float] | None, model: str | None, timeout: float | None
) -> Question[NDArray[np.float32]]:
    def read(response: httpx.Response) -> NDArray[np.float32]:
        return np.array(response.json()["embedding"], np.float32)

    params = _metrics(**(metrics or {})) | _query(model=model, timeout=timeout)
    return Question("/embed", read, params, _bytes_of(picture))


def classify_batch(lines: list[bytes], params: Params) -> Question[None]:
    return Question("/classify/batch", lambda _: None, params, b"".join(lines), "application/x-ndjson")


def embed_batch(lines: list[bytes], model: str | None) -> Question[tuple[NDArray[np.float32], str | None]]:
    """A row for each line, and the digest of the model they are from."""

    def read(response: httpx.Response) -> tuple[NDArray[np.float32], str | None]:
        found: NDArray[np.float32] = np.load(io.BytesIO(response.content), allow_pickle=False)
        if found.ndim != 2 or len(found) != len(lines):
            raise ValueError("these are other rows than were asked for")
        return found, response.headers["X-Glyphery-Model"]

    params = _query(model=model, format="npy")
    return Question("/embed/batch", read, params, b"".join(lines), "application/x-ndjson")


def identify_font(
    font: File, pictures: bool, timeout: float | None, context: Context
) -> Question[IdentifiedFont]:
    data = font if isinstance(font, bytes) else _read(font, BadFont)
    params = of_context(**context) | _query(timeout=timeout, pictures=_set(pictures))
    return Question("/fonts/identify", lambda response: _identified(response.json()), params, data)


def repair(
    document: File,
    everything: bool,
    scripts: str | Iterable[str],
    k: int,
    pictures: bool,
    model: str | None,
    timeout: float | None,
) -> Question[RepairedDocument]:
    data = document if isinstance(document, bytes) else _read(document, BadInput)
    params = of_context(scripts=scripts) | _query(
        k=k, model=model, timeout=timeout, format="json", all=_set(everything), pictures=_set(pictures)
    )
    seconds = (timeout or _DOCUMENT_SECONDS) + _ON_THE_WAY
    return Question(
        "/documents/repair", lambda response: _repaired(response.json()), params, data, seconds=seconds
    )


def score_fonts(fonts: Font | Iterable[Font], model: str | None) -> Question[Job]:
    some: list[Font]
    match fonts:
        case str() | os.PathLike():
            some = [fonts]
        case (str(name), bytes(data)):  # two paths are two fonts
            some = [(name, data)]
        case _:
            some = list(fonts)
    if not some:
        raise BadInput("There are no fonts to score.")
    return Question("/fonts/score", _job_of, _query(model=model), fonts=some, once=True)


def job(id: str) -> Question[Job]:
    return Question(_path_of(id), _job_of)


def jobs(limit: int, before: str) -> Question[tuple[list[Job], str]]:
    """A page of them, and what asks for the next as `before`: empty where there is none."""

    def read(response: httpx.Response) -> tuple[list[Job], str]:
        document = response.json()
        following = httpx.URL(document["next"] or "").params.get("before", "")
        return [_made_job(each) for each in document["jobs"]], following

    return Question("/jobs", read, _query(limit=min(limit, _MOST_LISTED), before=before))


def report(id: str, format: ReportFormat) -> Question[bytes]:
    return Question(f"{_path_of(id)}/report", lambda response: response.content, _query(format=format))


def results(id: str, start: int) -> Question[None]:
    """Those from the given one on, a line each."""
    return Question(f"{_path_of(id)}/results", lambda _: None, _query(start=start))


def cancel(id: str, keep: bool) -> Question[None]:
    # Asked again, it would remove what it cancelled.
    return Question(_path_of(id), lambda _: None, _query(keep=keep), method="DELETE", once=not keep)


def _path_of(id: str) -> str:
    return f"/jobs/{quote(id, safe='')}"


def id_of(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _job_of(response: httpx.Response) -> Job:
    return _made_job(response.json())


def _made_job(document: Mapping[str, Any]) -> Job:
    return _made(Job, {**document, "model": _made(Model, document["model"])})


class _FontFile:
    """A file that is open only while it is read: of many fonts, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None

    def read(self, size: int) -> bytes:
        """Raises BadFont where it cannot be read."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            piece = self._file.read(size)
        except OSError as error:
            raise BadFont(f"{self._path} cannot be read: {error.strerror}.") from None
        if not piece:
            self._file.close()
        return piece


def _font_file(font: Font) -> tuple[str, Any]:
    """A file of a form, as httpx wants it."""
    if isinstance(font, tuple):
        return font
    path = Path(font)
    # The name of a file may be no UTF-8, which a form's is.
    return os.fsencode(path.name).decode(errors="replace"), _FontFile(path)


def of_context(
    *,
    k: int | None = None,
    model: str | None = None,
    prior: str | None = None,
    scripts: str | Iterable[str] = "",
    charset: str = "",
    labels: str | Iterable[str] = "",
) -> Params:
    return _query(
        k=k, model=model, prior=prior, scripts=_listed(scripts), charset=charset, labels=_listed(labels)
    )


def _search(
    *,
    k: int | None = None,
    model: str | None = None,
    scripts: str | Iterable[str] = "",
    families: str | Iterable[str] = "",
    distinct: bool = False,
    exclude_same: bool = False,
    timeout: float | None = None,
) -> Params:
    return _query(
        k=k, model=model, scripts=_listed(scripts), families=_listed(families), distinct=distinct,
        exclude_same=exclude_same, timeout=timeout,
    )  # fmt: skip


def _metrics(
    *,
    width: float | None = None,
    height: float | None = None,
    bottom: float | None = None,
    advance: float | None = None,
) -> Params:
    return _query(width=width, height=height, bottom=bottom, advance=advance)


def _query(**given: str | float | None) -> Params:
    """Those parameters of the query that say something. Raises BadInput for one that cannot be sent."""
    said = {name: value for name, value in given.items() if value is not None and value != ""}
    for name, value in said.items():
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise BadInput(f"{name} has characters that cannot be sent.") from None
    return said


def _set(flag: bool) -> str | None:
    """A flag that is said only where it is set: a service that is older does not know it."""
    return "true" if flag else None


def _listed(names: str | Iterable[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _bytes_of(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | os.PathLike):
        return _read(picture, BadPicture)
    file = io.BytesIO()
    try:
        if picture.mode not in _PNG_MODES:
            picture = picture.convert(_AS_PNG.get(picture.mode, "RGB"))
        picture.save(file, "PNG")
    except (OSError, ValueError) as error:
        raise BadPicture(f"The picture cannot be sent: {error}.") from None
    return file.getvalue()


def _read(file: str | os.PathLike[str], unreadable: type[BadInput]) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise unreadable(f"{os.fspath(file)} cannot be read: {error.strerror}.") from None


def together(pictures: Iterable[Picture | Glyph]) -> Iterator[list[bytes]]:
    """The lines of one request after the other. A BadPicture is raised once those before it are out."""
    lines: list[bytes] = []
    size = 0
    for item in pictures:
        glyph = item if isinstance(item, Glyph) else Glyph(item)
        try:
            picture = _bytes_of(glyph.picture)
        except BadPicture:
            if lines:
                yield lines
            raise
        said: dict[str, Any] = {"image": base64.b64encode(picture).decode("ascii")}
        if glyph.metrics:
            said["metrics"] = {name: float(value) for name, value in _metrics(**glyph.metrics).items()}
        lines.append(json.dumps(said).encode("ascii") + b"\n")
        size += len(lines[-1])
        if len(lines) == _MOST_TOGETHER or size >= _MOST_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def recognition(document: Any) -> Recognition:
    return Recognition(_made(Model, document["model"]), document["known"], _predictions(document))


def _identified(document: Any) -> IdentifiedFont:
    faces = [
        {**face, "glyphs": [
            _made(IdentifiedGlyph, {**glyph, **_seen(glyph)}) for glyph in face["glyphs"]
        ]}
        for face in document["faces"]
    ]  # fmt: skip
    model = _made(Model, document["model"])
    return IdentifiedFont(model, tuple(_made(IdentifiedFace, face) for face in faces))


def _repaired(document: Any) -> RepairedDocument:
    fonts = tuple(
        _made(DocumentFont, {**font, "codes": tuple(
            _made(DocumentCode, {**code, **_seen(code)}) for code in font["codes"]
        )})
        for font in document["fonts"]
    )  # fmt: skip
    given = {
        "model": _made(Model, document["model"]), "fonts": fonts, "document": _decoded(document["document"]),
    }  # fmt: skip
    return _made(RepairedDocument, {**document, **given})


def _seen(glyph: Mapping[str, Any]) -> dict[str, Any]:
    """What a glyph of a font or document shows, as our records have it."""
    return {"predictions": _predictions(glyph), "picture": _decoded(glyph.get("picture"))}


def _decoded(base64_: str | None) -> bytes | None:
    return None if base64_ is None else base64.b64decode(base64_, validate=True)


def _predictions(document: Any) -> tuple[Prediction, ...]:
    return tuple(_made(Prediction, prediction) for prediction in document["predictions"])


def _neighbours(response: httpx.Response) -> list[Neighbour]:
    return [_made(Neighbour, neighbour) for neighbour in response.json()["neighbours"]]


def _made(kind: type[T], document: Mapping[str, Any]) -> T:
    """One of our records; what a newer service says beside it is passed over, what an older one does not yet
    say is as by default.
    """
    values = {
        each.name: document[each.name]
        for each in fields(kind)  # type: ignore[arg-type]
        if each.name in document or each.default is MISSING
    }
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


MODELS: Final = Question(
    "/models", lambda response: [_made(ServedModel, model) for model in response.json()["models"]]
)
