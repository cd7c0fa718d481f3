"""A request's fonts on their way to disk, and into a job."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import IO, Any, Final, ParamSpec, TypeVar

from fastapi import Request

from service.errors import EmptyBody, NoFonts, StorageFull, TooManyFonts, UnsupportedBody
from service.forms import FORM, FormFiles
from service.jobs.archives import Unpacking
from service.jobs.files import JobFiles, full_disk, holding, new_id
from service.jobs.record import Job, Pinned
from service.jobs.store import Store
from service.one_file import FONT
from service.reading import Uploads, check_headers, media_type_of, pieces_of
from service.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

_ARCHIVES: Final = (
    "application/zip", "application/x-zip-compressed", "application/gzip", "application/x-gzip",
    "application/x-tar", "application/x-gtar",
)  # fmt: skip
_POST = "Post a font, an archive of fonts, or a multipart form with files `font`."
_PIECE = 2**18  # bytes that go to disk at once


async def take_in(
    request: Request, store: Store, settings: Settings, *, model: Pinned, owner: str, name: str
) -> Job:
    """A job of what a request brings.

    name: what to call a font that is the body itself

    Raises:
        BadRequest: one of its kinds, where what was sent cannot be used.
        Overloaded, QueueFull, StorageFull: not now.
    """
    media_type = media_type_of(request)
    if media_type != FORM and media_type not in _ARCHIVES and not FONT.may_be(media_type):
        raise UnsupportedBody("The body's content type is none that fonts may have.", _POST)
    check_headers(request, settings.max_job_bytes)
    uploads: Uploads = request.app.state.uploads
    files = JobFiles(store.folder, new_id())
    with uploads.one_more(), full_disk("another job"):
        await asyncio.to_thread(_check_place, store, settings)
        await _to_the_end(files.make)
        with holding(files.folder):  # by which `retention` knows that it is not left over
            try:
                names = await _receive(request, files.arriving, settings, name, media_type == FORM)
                return await _to_the_end(_enter, store, files, settings, names, model, owner)
            except BaseException:
                await _to_the_end(_withdraw, store, files)
                raise


def _check_place(store: Store, settings: Settings) -> None:
    store.check_queue(settings.max_jobs)
    if store.bytes_of_unfinished() > settings.max_jobs_bytes:
        raise StorageFull("those that wait take all there is")


async def _receive(request: Request, folder: Path, settings: Settings, name: str, is_form: bool) -> list[str]:
    """Put the files of a body into a folder, by their numbers; gives their names."""
    pieces = pieces_of(request, settings.max_job_bytes, settings.max_upload_seconds)
    arriving: _Form | _Body
    if is_form:
        arriving = _Form(request.headers["content-type"], folder, settings.max_job_fonts)
    else:
        arriving = _Body(folder, name)
    try:
        async with aclosing(_gathered(pieces)) as gathered:
            async for piece in gathered:
                await _to_the_end(arriving.write, piece)
        arriving.close()
    finally:
        arriving.drop()
    return arriving.names


async def _gathered(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Fewer and larger pieces, for each is written by another thread."""
    gathered = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            gathered += piece
            if len(gathered) >= _PIECE:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)


def _enter(
    store: Store, files: JobFiles, settings: Settings, names: list[str], model: Pinned, owner: str
) -> Job:
    unpacking = Unpacking(
        files.font, settings.max_job_fonts, settings.max_font_bytes, settings.max_unpacked_bytes
    )
    for number, name in enumerate(names, 1):
        unpacking.take(name, files.arriving / str(number))
    if not unpacking.fonts:
        what = "; ".join(f"{skipped.name}: {skipped.reason}" for skipped in unpacking.skipped[:5])
        raise NoFonts(f"There is no font to score{f' ({what})' if what else ''}.", _POST)
    shutil.rmtree(files.arriving)
    return store.add(files.folder.name, owner, model, unpacking.fonts, unpacking.skipped, settings.max_jobs)


def _withdraw(store: Store, files: JobFiles) -> None:
    """Nobody will hear of the job: it goes, even if it has been entered by now."""
    if (job := store.find(files.folder.name)) is not None:
        store.remove(job)
    files.remove()


class _Files:
    """The files of a body, written one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self.names: list[str] = []

    def begin(self, name: str) -> None:
        self.drop()
        self.names.append(name)
        self._file = (self._folder / str(len(self.names))).open("wb")

    def add(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        self._file.write(data)

    def drop(self) -> None:
        """The file that is open is complete, or not wanted any more."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


class _Body(_Files):
    """A body that is the one file itself."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder)
        self._name = name

    def write(self, piece: bytes) -> None:
        if not self.names:
            self.begin(self._name)
        self.add(piece)

    def close(self) -> None:
        """Raises EmptyBody where nothing came."""
        if not self.names:
            raise EmptyBody("font", _POST)
        self.drop()


class _Form(_Files, FormFiles):
    """The files of a multipart form."""

    fields = FONT.fields

    def __init__(self, content_type: str, folder: Path, most: int) -> None:
        _Files.__init__(self, folder)
        FormFiles.__init__(self, content_type)
        self._most = most

    def begin_file(self, name: str) -> None:
        if len(self.names) >= self._most:
            raise TooManyFonts(self._most)
        self.begin(name)

    def add_to_file(self, data: memoryview) -> None:
        self.add(data)

    def end_file(self) -> None:
        self.drop()

    def close(self) -> None:
        """Raises MalformedBody where the form broke off, EmptyBody where it holds no file."""
        super().close()
        if not self.names:
            raise EmptyBody("font", _POST)


async def _to_the_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread. Who is cancelled meanwhile leaves only once it has returned, lest its
    files be removed while it still writes some.
    """
    called: asyncio.Future[Any] = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        done: T = await asyncio.shield(called)
    except asyncio.CancelledError:
        with suppress(Exception):
            await called
        raise
    return done
