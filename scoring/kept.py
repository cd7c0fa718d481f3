"""Scores that are kept, so that a long run can be stopped and goes on where it was.

A score is kept under what it depends on: the font's bytes and name, the model, the thresholds and limits,
and the version of the program. Nothing is taken for another's, and nothing has to be tidied up. An ERROR is
not kept: a font that could not be read may have met with a machine that was busy, or short of memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from glyphs.errors import BadInput
from glyphs.folders import put, written
from scoring.judge import Thresholds
from scoring.sandbox import Limits
from scoring.verdicts import FontScore, Status


class KeptScores:
    """A folder of scores, made if it is not there."""

    def __init__(self, folder: Path, model: str, thresholds: Thresholds, limits: Limits) -> None:
        """model: the bundle's digest"""
        self._folder = folder
        depends = [version("glyphery"), model, asdict(thresholds), asdict(limits)]
        self._depends = sha256(json.dumps(depends).encode())

    def get(self, font: str, data: bytes, score: Callable[[], FontScore]) -> FontScore:
        """The score that is kept, or that of `score`, which is kept from then on unless it is an ERROR.

        Raises:
            BadInput: the folder cannot be written to.
        """
        key = self._depends.copy()
        key.update(font.encode(errors="surrogatepass") + b"\0" + data)
        path = self._folder / f"{key.hexdigest()}.json.gz"
        try:
            return FontScore.from_json(gzip.decompress(path.read_bytes()).decode())
        except (OSError, EOFError, ValueError, zlib.error, BadInput):  # not there, or not whole
            made = score()
        if made.status is Status.ERROR:
            return made
        packed = gzip.compress(made.to_json().encode(errors="surrogatepass"), compresslevel=1, mtime=0)
        with written(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            put(packed, path)
        return made
