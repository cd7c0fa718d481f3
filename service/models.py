"""The served models: each a bundle, its network and its index, loaded together and swapped together."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from glyphs.errors import BadIndex
from glyphs.labels import Label
from index.search import FILE as INDEX
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import Device, Recogniser
from service.errors import BadSettings, NoIndex, UnknownModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a caller knows of the glyph beforehand; see `recognition.candidates`."""

    prior: Prior = Prior.FONTS
    scripts: frozenset[str] = frozenset()
    charset: str = ""
    labels: frozenset[Label] = frozenset()


# How far loading a model steps back behind answering, as of `nice`. It so gets a tenth of a busy processor,
# and takes seconds; of equal rank it made requests wait two and three times as long, at 19 it took ten.
_NICENESS = 10


def _give_way() -> None:
    """Let every other thread go first, where threads have priorities of their own, which is on Linux."""
    if sys.platform == "linux":
        here = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, here + _NICENESS))


_aside = ThreadPoolExecutor(1, "load-model", initializer=_give_way)


class ServedModel:
    """A bundle, its model and its index. Never changes once it is made."""

    def __init__(self, bundle: Bundle, recogniser: Recogniser, index: ReferenceIndex | None) -> None:
        """Raises BadIndex where the index holds embeddings of another width than the model's."""
        if index and index.dimension != bundle.manifest.embedding:
            raise BadIndex(
                f"The index of {bundle.path} holds embeddings of {index.dimension} numbers, "
                f"the model gives {bundle.manifest.embedding}.",
                "Build the index anew.",
            )
        self.bundle = bundle
        self.recogniser = recogniser
        self._index = index
        # A partial, not a method: a cache that knew `self` would keep a replaced model in memory.
        self.candidates = lru_cache(maxsize=64)(partial(_make_candidates, bundle))
        # What every answer says of the model it comes from.
        manifest = bundle.manifest
        self.identity = {"name": manifest.name, "version": manifest.version, "digest": bundle.digest}

    @classmethod
    def load(cls, path: Path, device: Device = "cpu") -> ServedModel:
        """Raises BadBundle or BadIndex where a part is missing, altered or does not fit the rest, and
        BadInput where the device is not to be had.
        """
        bundle = Bundle.load(path)
        index = ReferenceIndex.load(bundle.path) if bundle.has(INDEX) else None
        # Last, for it looks whether what was opened is all of this bundle.
        recogniser = Recogniser(bundle, threads=1, device=device)
        return cls(bundle, recogniser, index)

    @classmethod
    async def load_aside(cls, path: Path, device: Device = "cpu") -> ServedModel:
        """The same while requests go on, which come first. Raises what `load` raises."""
        return await asyncio.get_running_loop().run_in_executor(_aside, cls.load, path, device)

    @property
    def name(self) -> str:
        return self.bundle.manifest.name

    @property
    def digest(self) -> str:
        return self.bundle.digest

    @property
    def references(self) -> int:
        """How many reference glyphs there are; 0 without an index."""
        return len(self._index.references) if self._index else 0

    @property
    def names_primitives(self) -> bool:
        return self.recogniser.names_primitives

    @property
    def has_index(self) -> bool:
        return self._index is not None

    @property
    def index(self) -> ReferenceIndex:
        """Raises NoIndex where the bundle has none."""
        if self._index is None:
            raise NoIndex(f"The bundle {self.name} has no reference glyphs.", "Serve one with an index.")
        return self._index


def _make_candidates(bundle: Bundle, context: Context) -> Candidates:
    return Candidates(
        bundle,
        prior=context.prior,
        scripts=context.scripts,
        charset=context.charset,
        labels=context.labels,
    )


class Models:
    """The models by name; the first is the default.

    A model is replaced whole, by one assignment: a request is answered by the model it found when
    it came, from the network to the names of the labels, whatever is loaded meanwhile.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        """Raises BadSettings where two have the same name, or there is none."""
        models = tuple(models)
        self._by_name = {model.name: model for model in models}
        if not models or len(self._by_name) < len(models):
            names = ", ".join(model.name for model in models) or "none"
            raise BadSettings(
                f"The bundles to serve are not of different names: {names}.", "Serve each model once."
            )
        self._default = models[0].name

    @classmethod
    def load(cls, paths: Iterable[Path], device: Device = "cpu") -> Models:
        """Raises what `ServedModel.load` raises, and BadSettings where two are namesakes."""
        return cls(ServedModel.load(path, device) for path in paths)

    @property
    def all(self) -> tuple[ServedModel, ...]:
        """Every model, the default first."""
        return tuple(self._by_name.values())

    def find(self, name: str | None = None) -> ServedModel:
        """The model of that name or digest; without one, the default.

        Raises:
            UnknownModel: none is called so.
        """
        by_name = self._by_name
        if name is None:
            return by_name[self._default]
        found = by_name.get(name) or next((m for m in by_name.values() if m.digest == name), None)
        if found is None:
            raise UnknownModel(f"The models served here are {', '.join(by_name)}.", "GET /models lists them.")
        return found

    def put(self, model: ServedModel) -> None:
        """Serve the model, in place of the one of its name if there is one."""
        self._by_name = self._by_name | {model.name: model}
