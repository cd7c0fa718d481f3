"""Fonts out of archives (ZIP, tar, tar.gz), of which nothing is believed.

A member's name is only ever a text: what is unpacked goes into files that have numbers. Everything is
counted as it is unpacked, whatever the archive says of itself, and archives within archives stay shut.
"""

from __future__ import annotations

import io
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from glyphs.dataset.build import FONT_SUFFIXES
from glyphs.folders import is_full
from service.errors import ArchiveTooLarge, BadArchive, BadRequest, TooManyFonts
from service.jobs.record import PostedFont, Skipped

_PIECE = 2**18
_MOST_MEMBERS: Final = 20_000
_MOST_AT_ONCE: Final = 4 * 2**20  # bytes; lists of members and headers that are longer are no honest ones
_MOST_RATIO: Final = 200  # of what is unpacked to what was packed; fonts come to ten at most
_SMALL: Final = 2**20  # bytes, below which any ratio is harmless
_LONGEST_NAME = 255
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR, _TAR_AT = b"ustar", 257


@dataclass(slots=True)
class Unpacking:
    """What a job's files come to: its fonts, and what was passed over.

    place: where font number n goes
    max_fonts, max_font_bytes; max_bytes: of all archives, unpacked
    """

    place: Callable[[int], Path]
    max_fonts: int
    max_font_bytes: int
    max_bytes: int
    fonts: list[PostedFont] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    _unpacked: int = 0

    def take(self, name: str, file: Path) -> None:
        """A file as it was posted: a font, or an archive of some. It is moved, or removed.

        Raises:
            BadArchive, ArchiveTooLarge: it cannot be unpacked, or not within the limits.
            TooManyFonts: so many may not be in one job.
            OSError: as where the disk is full.
        """
        name = shown(name)
        with file.open("rb") as opened:
            head = opened.read(_TAR_AT + len(_TAR))
        if head.startswith(_ZIP):
            self._open(name, file, self._unzip)
        elif head.startswith(_GZIP):
            self._open(name, file, self._gunzip)
        elif head[_TAR_AT:] == _TAR:
            self._open(name, file, self._untar)
        elif (size := file.stat().st_size) > self.max_font_bytes:
            self._skip(name, self._too_large)
        else:
            file.rename(self._next(name, size))
        file.unlink(missing_ok=True)

    @property
    def _too_large(self) -> str:
        return f"larger than {self.max_font_bytes} bytes"

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))

    def _next(self, name: str, size: int) -> Path:
        if len(self.fonts) >= self.max_fonts:
            raise TooManyFonts(self.max_fonts)
        self.fonts.append(PostedFont(len(self.fonts) + 1, name, size))
        return self.place(len(self.fonts))

    def _open(self, name: str, file: Path, unpack: Callable[[Path], None]) -> None:
        try:
            unpack(file)
        except BadRequest:
            raise
        except Exception as error:  # of a hostile archive a parser may raise anything
            if is_full(error):
                raise
            raise BadArchive(f"{name} cannot be unpacked: {type(error).__name__}.") from None

    def _unzip(self, file: Path) -> None:
        with file.open("rb", buffering=0) as opened, zipfile.ZipFile(_Wary(opened)) as archive:
            members = archive.infolist()
            _check_members(len(members))
            for member in members:
                mode = member.external_attr >> 16
                if member.is_dir():
                    continue
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    self._skip(shown(member.filename), "no file but a link or a device")
                elif member.flag_bits & 1:
                    self._skip(shown(member.filename), "encrypted")
                elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    self._skip(shown(member.filename), "packed in a way that is not read here")
                elif self._wanted(member.filename, member.file_size):
                    with archive.open(member) as packed:
                        self._unpack(member.filename, packed, member.compress_size)

    def _untar(self, file: Path) -> None:
        with file.open("rb", buffering=0) as opened:
            wary: Any = _Wary(opened)  # all of a file that tarfile needs
            with tarfile.open(fileobj=wary, mode="r:") as archive:
                count = 0
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                    _check_members(count := count + 1)
                    if member.isdir():
                        continue
                    if not member.isreg():
                        self._skip(shown(member.name), "no file but a link or a device")
                    elif self._wanted(member.name, member.size):
                        content = archive.extractfile(member)
                        assert content is not None  # it is a regular file
                        with content:
                            self._unpack(member.name, content, member.size)
                wary.seek(archive.offset)  # a broken header and an early end look to tarfile like the end
                while piece := wary.read(_PIECE):
                    if piece.strip(b"\0"):
                        raise BadArchive("There is more in it behind its end, or behind a broken header.")

    def _gunzip(self, file: Path) -> None:
        plain = file.with_suffix(".tar")
        try:
            self._inflate(file, plain)
            with plain.open("rb") as opened:
                if opened.read(_TAR_AT + len(_TAR))[_TAR_AT:] != _TAR:
                    raise BadArchive("What is packed with gzip is no tar.", "Post a font as it is.")
            self._untar(plain)
        finally:
            plain.unlink(missing_ok=True)

    def _inflate(self, file: Path, to: Path) -> None:
        """Ahead of reading it, for then what tarfile passes over is counted too."""
        size, count, packed = 0, 0, file.stat().st_size
        stream, piece = None, b""  # of gzip there may be several, one behind the other
        with file.open("rb") as source, to.open("wb") as sink:
            while piece := piece or source.read(_PIECE):
                if stream is None:
                    piece = piece.lstrip(b"\0")  # what tapes are filled up with
                    if not piece:
                        continue
                    stream = zlib.decompressobj(wbits=31)
                    _check_members(count := count + 1)
                found = stream.decompress(piece, _PIECE)
                size += len(found)
                self._check(size, packed)
                sink.write(found)
                piece = stream.unconsumed_tail
                if stream.eof:
                    piece, stream = stream.unused_data, None
        if stream is not None:
            raise BadArchive("What is packed with gzip breaks off.")

    def _wanted(self, name: str, size: int) -> bool:
        """Whether a member is a font, by its name; what is not is noted."""
        parts = name.replace("\\", "/").split("/")
        base = parts[-1]
        if posixpath.splitext(base)[1].lower() not in FONT_SUFFIXES or base.startswith("._"):
            reason = "no font"  # as are the files that macOS puts beside each
        elif ".." in parts or not parts[0] or parts[0][1:2] == ":":
            reason = "its name leads out of the archive"
        elif size > self.max_font_bytes:
            reason = self._too_large
        else:
            return True
        self._skip(shown(name), reason)
        return False

    def _unpack(self, name: str, source: IO[bytes], packed: int) -> None:
        """packed: bytes it is said to take in the archive"""
        size, path = 0, self._next(shown(name), 0)
        with path.open("wb") as sink:
            while piece := source.read(_PIECE):
                size += len(piece)
                self._check(size, packed)
                if size > self.max_font_bytes:  # whatever its header says
                    raise BadArchive(f"{shown(name)} is larger than it says.")
                sink.write(piece)
        self._unpacked += size
        self.fonts[-1] = PostedFont(len(self.fonts), shown(name), size)

    def _check(self, size: int, packed: int) -> None:
        if self._unpacked + size > self.max_bytes:
            raise ArchiveTooLarge(
                f"Unpacked, there are more than {self.max_bytes} bytes.", self.max_bytes, "bytes"
            )
        if size > _SMALL and size > _MOST_RATIO * packed:
            raise ArchiveTooLarge(
                f"It unpacks to more than {_MOST_RATIO} times its size.", _MOST_RATIO, "times its size"
            )


class _Wary(io.BufferedReader):
    """A file that does not give much at once, however much a header says there is to come."""

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(_MOST_AT_ONCE + 1 if size is None or size < 0 else min(size, _MOST_AT_ONCE + 1))
        if len(piece) > _MOST_AT_ONCE:
            raise ArchiveTooLarge(
                f"A list or a header in it has more than {_MOST_AT_ONCE} bytes.", _MOST_AT_ONCE, "bytes"
            )
        return piece


def shown(name: str) -> str:
    """A file's name as text that goes into any document: without what controls, of bounded length."""
    whole = name.encode("utf-8", "replace").decode("utf-8")
    return (
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in whole)[-_LONGEST_NAME:]
        or "font"
    )


def _check_members(count: int) -> None:
    if count > _MOST_MEMBERS:
        raise ArchiveTooLarge(f"It has more than {_MOST_MEMBERS} members.", _MOST_MEMBERS, "members")
