"""A whole run: parts that are made once and kept, then tables, figures and a picture."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.glyphs.results import Results
from benchmarks.serving import report
from benchmarks.serving.asked import Asked, asked
from benchmarks.serving.catalogue import CORES, Peer
from benchmarks.serving.endurance import endurance
from benchmarks.serving.load import Generator, generator
from benchmarks.serving.overload import overload
from benchmarks.serving.rounds import bare_trial, peer_trial, repeat
from benchmarks.serving.servers import ROOT, NotMeasured
from benchmarks.serving.similar import similar
from benchmarks.serving.statistics import Figures
from benchmarks.serving.swap import swap
from benchmarks.serving.workshop import Extent, Workshop
from glyphery.show import Advance
from recognition.bundle import Bundle

# Raise it when a figure comes to mean something else: results of older rules are made anew.
RULES = 1
# What is measured is this code; when it changes, what was measured before is made anew.
_MEASURED = ("glyphs", "index", "recognition", "service")
# What a part of its own measures, and what of the extent it depends on.
_PARTS: dict[str, tuple[Callable[[Asked, Workshop], Figures], tuple[str, ...]]] = {
    "overload": (overload, ("seconds", "overload")),
    "memory": (endurance, ("requests",)),
    "swap": (swap, ("seconds", "swaps")),
    "similar": (similar, ("seconds", "repeats", "references")),
}
ROUNDS = "rounds"
PARTS = (ROUNDS, *_PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run measures.

    bundles: the rounds for each, everything else for the first
    """

    bundles: tuple[Path, ...]
    peers: tuple[Peer, ...]
    parts: frozenset[str]
    extent: Extent


def run(wanted: Wanted, out: Path, advance: Advance) -> Figures:
    """Measure what is not there yet, and write everything into `out`.

    Raises:
        BadBundle: one of the bundles cannot be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    questions = [asked(Bundle.load(path), wanted.extent.pictures) for path in wanted.bundles]
    figures: Figures = {"machine": machine(), "extent": asdict(wanted.extent), "bundles": {}}
    with generator() as loads:
        steps = _Steps(wanted, out, loads, advance)
        for of in questions:
            if ROUNDS in wanted.parts:
                figures["bundles"][of.bundle.address.name] = steps.rounds(of)
        for part in _PARTS:
            if part in wanted.parts:
                figures[part] = steps.part(part, questions[0])
    report.write(figures, out)
    from benchmarks.serving import plots  # only now: its style brings torch along

    for name, of in figures["bundles"].items():
        plots.rounds_plot(of, out / f"serving-{name}.png")
    return figures


class _Steps:
    """Makes parts, keeps them, and tells how far it has come."""

    def __init__(self, wanted: Wanted, out: Path, loads: Generator, advance: Advance) -> None:
        self._wanted, self._out, self._advance = wanted, out, advance
        self._workshop = Workshop(loads, out, wanted.extent)
        each = 1 + len(wanted.peers) + wanted.extent.repeats
        self._total = each * len(wanted.bundles) * (ROUNDS in wanted.parts) + len(wanted.parts - {ROUNDS})
        self._done = 0

    def rounds(self, of: Asked) -> Figures:
        """The trials, and every repeat of the rounds, of a bundle."""
        shop = self._workshop
        bare = self._make("bare", of, lambda: bare_trial(of, shop), "trial")
        trials = {
            peer.name: self._make(
                f"trial-{peer.name}", of, partial(peer_trial, peer, of, shop), "trial",
                settings=peer.settings, requirements=peer.requirements,
            )
            for peer in self._wanted.peers
        }  # fmt: skip
        peers = [(peer, trials[peer.name]) for peer in self._wanted.peers if "best" in trials[peer.name]]
        chosen = {peer.name: trial["best"] for peer, trial in peers}
        rounds = [
            self._make(
                f"round-{number}", of, partial(repeat, number, of, peers, bare, shop), "seconds", peers=chosen
            )
            for number in range(self._wanted.extent.repeats)
        ]
        return {"digest": of.bundle.digest, "bare": bare, "trials": trials, "rounds": rounds}

    def part(self, part: str, of: Asked) -> Figures:
        make, extent = _PARTS[part]
        return self._make(part, of, lambda: make(of, self._workshop), *extent)

    def _make(
        self, part: str, of: Asked, make: Callable[[], Figures], *extent: str, **inputs: Any
    ) -> Figures:
        """The figures of a part, or why there are none, which is not kept."""
        name = of.bundle.address.name
        self._advance(self._done, self._total, f"{name}: {part}")
        measured = {field: getattr(self._wanted.extent, field) for field in extent}
        given = {
            "bundle": of.bundle.digest, "pictures": len(of.pictures), "code": code(), "cores": CORES,
            "serving": RULES,
        }  # fmt: skip
        results = Results(self._out / "parts" / name, given)
        try:
            return results.part(part, make, **measured, **inputs)
        except NotMeasured as error:
            return {"skipped": str(error)}
        finally:
            self._done += 1
            self._advance(self._done, self._total, f"{name}: {part}")


def code() -> str:
    """A hash of the code that is measured."""
    found = sha256()
    for folder in _MEASURED:
        for file in sorted((ROOT / folder).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def machine() -> Figures:
    """Where the figures are from, and whether anything else ran there."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": CORES,
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "load": os.getloadavg()[0],
    }


def peers_of(names: str, known: Sequence[Peer]) -> tuple[Peer, ...]:
    """Peers by their names, separated by commas. Raises ValueError where one is unknown."""
    by_name = {peer.name: peer for peer in known}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in by_name]:
        raise ValueError(f"{', '.join(unknown)}: the peers are {', '.join(by_name)}.")
    return tuple(by_name[name] for name in wanted)
