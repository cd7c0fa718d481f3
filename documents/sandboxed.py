"""What runs in the sandbox: a document is read, drawn and written, and told as `documents.sandbox` says."""

from __future__ import annotations

import io
import json
import math
import resource
from collections.abc import Callable, Iterator
from dataclasses import astuple
from itertools import islice
from typing import Any

import numpy as np
import pikepdf

from documents.contents import DocumentFont, Text
from documents.fonts import draw_fonts
from documents.objects import fonts_of
from documents.sandbox import MAX_NAME, BadDocument, Limits, TooManyCodes
from documents.text import read_map, read_text
from glyphs.confined import limit, serve
from glyphs.confined import text as writable
from glyphs.pipe import receive, send
from glyphs.raster import RasterSettings
from glyphs.to_unicode import cmap

_MIB = 2**20
_WORDS = 1024  # of one message: nothing else is done in the parent while one is parsed


def _answer(source: int, to: int) -> None:
    try:
        setting, _ = receive(source)
        settings, limits = RasterSettings(**setting["raster"]), Limits(**setting["limits"])
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_DATA, limits.max_memory)
        _, data = receive(source)
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
        limit(resource.RLIMIT_CPU, allowed, for_good=False)
        _tell_end(to, _error(limits, lambda: _read(to, data, settings, limits)))
        _, texts = receive(source)
        _tell_end(to, _error(limits, lambda: _write(to, data, json.loads(texts))))
    except (EOFError, OSError):  # nobody asks any more, or listens
        return


def _error(limits: Limits, task: Callable[[], None]) -> BadDocument | None:
    """Why it could not be done."""
    try:
        task()
    except (OSError, BadDocument) as error:
        if isinstance(error, BadDocument):
            return error
        raise
    except MemoryError:
        return BadDocument(f"It takes more than {limits.max_memory // _MIB} MiB of memory.")
    except pikepdf.PasswordError:
        return BadDocument("It is encrypted.", "Remove its password first.")
    except Exception as error:  # parsers raise anything on a broken file
        return BadDocument(f"It is no PDF that can be read: {type(error).__name__}.")
    return None


def _tell_end(to: int, error: BadDocument | None) -> None:
    message = {
        "kind": "end",
        "error": error.message if error else "",
        "remedy": error.remedy if error else "",
        "too_many": isinstance(error, TooManyCodes),
    }
    send(to, json.dumps(message).encode())


def _read(to: int, data: bytes, settings: RasterSettings, limits: Limits) -> None:
    told = 0

    def tell(message: dict[str, Any], body: bytes = b"") -> None:
        nonlocal told
        encoded = json.dumps(message).encode()
        told += len(encoded)
        if told > limits.max_answer:
            raise BadDocument(f"What is in it takes more than {limits.max_answer // _MIB} MiB to tell.")
        send(to, encoded, body)

    text = read_text(data)
    if len(text.advances) > limits.max_codes:
        raise TooManyCodes(f"Its fonts set more than {limits.max_codes:,} different codes.")
    tell(_text(text))
    for words in words_of(text):
        tell(words)
    with pikepdf.open(io.BytesIO(data)) as document:
        for font in draw_fonts(document, text.advances_by_font(), settings):
            rasters = [code.raster for code in font.codes if code.raster is not None]
            tell(_font(font), np.stack(rasters).tobytes() if rasters else b"")


def _text(text: Text) -> dict[str, Any]:
    return {
        "kind": "text", "pages": text.pages, "unread": text.unread, "signed": text.signed,
        "damaged": text.damaged,
        "used": list(text.advances), "advances": list(map(_finite, text.advances.values())),
    }  # fmt: skip


def words_of(text: Text) -> Iterator[dict[str, Any]]:
    """Messages that tell the words of a text."""
    places = {code: place for place, code in enumerate(text.advances)}
    words = iter(text.words.items())
    while some := list(islice(words, _WORDS)):
        yield {
            "kind": "words",
            "words": [[times, *map(places.__getitem__, word)] for word, times in some],
        }


def _font(font: DocumentFont) -> dict[str, Any]:
    codes = [
        (
            code.code,
            code.raster is not None,
            list(map(_finite, astuple(code.metrics))),
            code.spoken[:MAX_NAME],
        )
        for code in font.codes
    ]
    return {
        "kind": "font", "number": font.number, "name": font.name[:MAX_NAME], "type": font.kind[:MAX_NAME],
        "obstacle": font.obstacle, "codes": codes,
    }  # fmt: skip


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _write(to: int, data: bytes, texts: dict[str, dict[str, str]]) -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as document:
        fonts = fonts_of(document)
        for number, said in texts.items():
            font = fonts[int(number)]
            digits = 4 if font.Subtype == "/Type0" else 2
            # Codes are also used where no text was read: in forms to be filled in, on pages that are broken.
            whole = _said(font, 16**digits)
            for code, text in ((int(code), text) for code, text in said.items()):
                if text != " " or not whole.get(code, "").isspace():  # of spaces there are many
                    whole[code] = text
            font.ToUnicode = document.make_stream(cmap(sorted(whole.items()), digits=digits).encode())
        encrypted = document.is_encrypted  # which it stays, and for which identifiers have to be random
        document.save(out, encryption=encrypted, deterministic_id=not encrypted)
    send(to, json.dumps({"kind": "written"}).encode(), out.getvalue())


def _said(font: pikepdf.Object, end: int) -> dict[int, str]:
    """What a font's map says of codes below `end`."""
    said = font.get("/ToUnicode")
    if not isinstance(said, pikepdf.Stream):  # it may also be a name
        return {}
    found = read_map(said.read_bytes())
    return {code: writable(text) for code, text in found.items() if 0 <= code < end and text}


if __name__ == "__main__":
    serve(_answer)
