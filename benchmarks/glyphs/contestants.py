"""Who takes part: bundles, and recognisers of one's own given as a Python function."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from glyphery.evaluating import predictor
from glyphs.errors import BadInput
from recognition.bundle import Bundle
from training.evaluation import Subject


@dataclass(frozen=True, slots=True)
class Contestant:
    """digest: stands for all that its answers depend on; subject: in its own labels"""

    name: str
    digest: str
    subject: Subject


def open_contestants(bundles: Sequence[Path], functions: Sequence[str], threads: int) -> list[Contestant]:
    """functions: `module:name` of functions that take nothing and return a `Subject`.

    Raises:
        BadBundle: a bundle cannot be used.
        BadInput: a function is not found, or two contestants have one name.
    """
    found = [
        Contestant(path.resolve().name, Bundle.load(path).digest, predictor(path, threads=threads))
        for path in bundles
    ]
    found += [_called(function) for function in functions]
    names = [contestant.name for contestant in found]
    if len(set(names)) < len(names):
        raise BadInput(f"Two contestants have one name: {', '.join(names)}.", "Rename a bundle's folder.")
    return found


def _called(function: str) -> Contestant:
    module, _, name = function.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
        code = inspect.getsource(inspect.getmodule(make) or make)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise BadInput(f"There is no function {function!r}: {error}.", "Write it module:name.") from None
    return Contestant(name, f"sha256:{sha256(code.encode()).hexdigest()}", make())
