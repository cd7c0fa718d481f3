"""The servers that are measured, and what each is asked: Glyphery in three ways, and its peers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import wire
from benchmarks.serving.asked import Asked
from benchmarks.serving.catalogue import Peer, Setting
from benchmarks.serving.load import Generator, Load
from benchmarks.serving.servers import Running, Server
from benchmarks.serving.statistics import Figures, count_wrong, summary

SINGLE = "Glyphery, /classify"
_BATCH, _TENSOR = 128, 16  # glyphs of a request
_CALLERS = (1, 16, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """One way to ask a server, prepared.

    expected: the best label of each glyph of each request
    callers: at which concurrency it is measured
    """

    name: str
    requests: tuple[bytes, ...]
    expected: Sequence[Sequence[str]]
    read: Callable[[bytes], Sequence[str]]
    glyphs: int = 1
    callers: tuple[int, ...] = _CALLERS

    def load(self, server: Running, **how: float) -> Load:
        """These questions as a load; see `Load` for how."""
        return Load(port=server.port, requests=self.requests, **how)  # type: ignore[arg-type]

    def measured(self, generator: Generator, server: Running, **how: float) -> Figures:
        """Ask the server; see `Load` for how.

        computed: milliseconds of processors that a glyph costs the server, with all its processes
        """
        before = server.computed()
        outcome = generator.run(self.load(server, **how))
        found = summary(outcome, self.glyphs, count_wrong(outcome, self.read, self.expected))
        glyphs = self.glyphs * found["accepted"]
        found["computed"] = 1000 * (server.computed() - before) / glyphs if glyphs else None
        return found


@dataclass(frozen=True, slots=True)
class Subject:
    """A server with everything it is asked."""

    name: str
    server: Server
    questions: tuple[Questions, ...]


def glyphery(asked: Asked) -> Subject:
    """`glyphery serve` with its default settings, asked for single pictures, batches and tensors."""
    single = classify(asked)
    batches = _in_groups(range(len(asked.pictures)), min(_BATCH, len(asked.pictures)))
    tensors = _in_groups(range(len(asked.pictures)), min(_TENSOR, len(asked.pictures)))
    name = asked.bundle.manifest.name
    return Subject(
        "Glyphery",
        serving([asked.bundle.address], single.requests[0]),
        (
            single,
            Questions(
                name=f"Glyphery, /classify/batch of {len(batches[0])}",
                requests=tuple(
                    wire.lines("/classify/batch", [asked.pictures[row] for row in rows]) for rows in batches
                ),
                expected=[[asked.best[row] for row in rows] for rows in batches],
                read=wire.best_of_lines,
                glyphs=len(batches[0]),
                callers=(1, 4),
            ),
            Questions(
                name=f"Glyphery, /v2 tensors of {len(tensors[0])}",
                requests=tuple(
                    wire.rasters(f"/v2/models/{name}/infer", asked.rasters[rows]) for rows in tensors
                ),
                expected=[[asked.best[row] for row in rows] for rows in tensors],
                read=wire.best_of_classification,
                glyphs=len(tensors[0]),
                callers=(1, 4),
            ),
        ),
    )


def classify(asked: Asked, **headers: str) -> Questions:
    """Single pictures to /classify."""
    return Questions(
        name=SINGLE,
        requests=tuple(wire.picture("/classify", png, **headers) for png in asked.pictures),
        expected=[[label] for label in asked.best],
        read=wire.best_prediction,
    )


def serving(bundles: Sequence[Path], probe: bytes, environment: Mapping[str, str] | None = None) -> Server:
    """`glyphery serve` with default settings, but for what the environment says."""
    chosen = [argument for bundle in bundles for argument in ("--bundle", str(bundle.resolve()))]
    return Server(
        command=lambda port: [sys.executable, "-m", "glyphery", "serve", *chosen, "--port", str(port)],
        environment=lambda port: environment or {},
        probe=probe,
    )


def peer(of: Peer, setting: Setting, python: Path, asked: Asked) -> Subject:
    """A peer with one of its settings.

    python: of its environment
    """
    requests = tuple(of.request(png) for png in asked.pictures)

    def environment(port: int) -> dict[str, str]:
        return {
            "PEER_BUNDLE": str(asked.bundle.address.resolve()), "PEER_PORT": str(port),
            "PEER_SETTING": json.dumps(dict(setting)), "PEER_FOLDER": str(python.parents[1].resolve()),
            "DO_NOT_TRACK": "1", "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip

    module = f"benchmarks.serving.peers.{of.name}"
    server = Server(
        command=lambda port: [str(python.absolute()), "-m", module],
        environment=environment,
        probe=requests[0],
    )
    expected = [[label] for label in asked.plain]
    return Subject(
        of.title, server, (Questions(name=of.title, requests=requests, expected=expected, read=of.read),)
    )


def _in_groups(rows: range, size: int) -> list[list[int]]:
    """Groups of one size; what is left over is left out."""
    return [list(rows[start : start + size]) for start in range(0, len(rows) - size + 1, size)]
