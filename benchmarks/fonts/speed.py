"""How fast fonts are scored, beside the bare model on the same rasters in the same run.

    python -m benchmarks.fonts.speed FONT --bundle bundles/levit_128s

Rounds of every measurement follow one another, so that what else the machine does falls on all alike;
medians are told. Peak memory is that of the cold process and its reader together.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as `glyphery score` has it
import numpy as np
import onnxruntime as ort
import typer
from numpy.typing import NDArray

from bundles import default_bundle
from glyphery import show
from glyphs.processes import affinity
from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS, Bundle
from recognition.recogniser import Recogniser
from scoring.reports.html import write_font_page
from scoring.reports.lines import JsonLines
from scoring.sandbox import DrawnFace, Rasters, Sandbox
from scoring.score import Scorer

_BATCHES = 32, 64, 128  # of the bare model; the best counts


def main(
    font: Annotated[Path, typer.Argument(help="A font, best of some 1,500 glyphs.")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of a bundle.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 5,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure one font: cold, warm with reports, drawing alone, and the bare model."""
    used = Bundle.load(bundle or default_bundle())
    data, cores = font.read_bytes(), affinity()
    sandbox = Sandbox().draw_for(used.labels, used.manifest.raster)
    read = list(sandbox.read(data))
    rasters, metrics = _drawn(read)
    bare = {
        f"bare model, {threads} thread(s), {batch} at once": _bare(used, threads, batch)
        for threads in sorted({1, cores})
        for batch in _BATCHES
    }
    taken: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, Scorer(Recogniser(used), lanes=0) as scorer:
        out = Path(folder)

        def warm() -> None:
            score = scorer.score(font.name, data)
            with JsonLines(out / "report.jsonl") as lines:
                lines.add(score)
            write_font_page(out / "report.html", score)

        def cold() -> None:
            command = [sys.executable, "-m", "glyphery", "score", str(font), "--out", str(out / "cold.jsonl")]
            options = [
                "--out",
                str(out / "cold.html"),
                "--bundle",
                str(used.address),
                "--error-code-on",
                "never",
            ]
            subprocess.run([*command, *options], check=True, capture_output=True)

        warm()
        for _ in range(repeats):
            _clock(taken["cold, reports included"], cold)
            _clock(taken["warm, reports included"], warm)
            _clock(taken["warm, no reports"], lambda: scorer.score(font.name, data))
            before = scorer.seconds["judge"]
            _clock(taken["warm, recognition alone"], lambda: list(scorer.faces(read)))
            taken["judging alone"].append(scorer.seconds["judge"] - before)
            taken["warm, recognition alone"][-1] -= taken["judging alone"][-1]
            _clock(taken["reading and drawing alone"], lambda: list(sandbox.read(data)))
            for name, run in bare.items():
                _clock(taken[name], partial(run, rasters, metrics))
    sandbox.close()
    seconds = {name: statistics.median(values) for name, values in taken.items()}
    best = min(seconds[name] for name in bare)
    recognised = best / seconds["warm, recognition alone"]  # reflections included
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    figures: dict[str, Any] = {
        "font": font.name, "rasters": len(rasters), "bundle": used.digest, "seconds": seconds,
        "images a second, bare": len(rasters) / best, "recognition beside the bare model": recognised,
        "peak MiB of the largest process": peak,
    }  # fmt: skip
    if json_:
        print(json.dumps(figures))
        return
    rows = [(name, f"{value:.2f} s", f"{len(rasters) / value:,.0f}") for name, value in seconds.items()]
    show.table(f"{font.name}: {len(rasters):,} distinct shapes", ("", "median", "shapes a second"), rows)
    print(f"Recognition: {recognised:.2f} x the bare model's rate; largest process {peak:,.0f} MiB.")


def _clock(taken: list[float], run: Callable[[], object]) -> None:
    start = time.perf_counter()
    run()
    taken.append(time.perf_counter() - start)


def _drawn(read: Sequence[DrawnFace | Rasters]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A font's rasters, with metrics that are not known: they do not change what the model costs."""
    rasters = np.concatenate([of.pixels for of in read if isinstance(of, Rasters)])
    return rasters, np.full((len(rasters), 4), np.nan, np.float32)


def _bare(used: Bundle, threads: int, batch: int) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], None]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(used.model, options, providers=["CPUExecutionProvider"])

    def run(rasters: NDArray[np.uint8], metrics: NDArray[np.float32]) -> None:
        for start in range(0, len(rasters), batch):
            end = start + batch
            session.run([LOGITS, EMBEDDING], {IMAGE: rasters[start:end, None], METRICS: metrics[start:end]})

    return run


if __name__ == "__main__":
    typer.run(main)
