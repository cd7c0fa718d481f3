"""What a scoring job costs those who ask for one glyph meanwhile: /classify alone, and beside a job.

    python -m benchmarks.fonts.beside FONT...

One client asks a hundred times a second at most. Spells alone and beside the job follow one another; told are
the medians over the spells, and the ratio of the 99th percentiles.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer

from benchmarks.serving.load import HOST
from benchmarks.serving.servers import ROOT, Server, running
from benchmarks.serving.wire import get
from glyphery import show

PICTURE = ROOT / "docs" / "ain-initial.png"
_PAUSE = 0.01  # seconds between requests


def main(
    fonts: Annotated[list[Path], typer.Argument(help="Fonts of the job, enough to last.")],
    spells: Annotated[int, typer.Option(min=1, help="Spells of each kind.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a spell.")] = 8,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the latency of /classify alone and while a job scores fonts."""
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    done = 0
    with _service() as client:
        picture = PICTURE.read_bytes()
        _asked(client, picture, 2)
        for _ in range(spells):
            alone.append(_asked(client, picture, seconds))
            job = _begun(client, fonts)
            beside.append(_asked(client, picture, seconds))
            state = client.get(job).raise_for_status().json()
            if state["status"] != "running":
                raise SystemExit(f"The job was {state['status']} before the spell was over: name more fonts.")
            done += state["glyphs_done"]
            client.delete(job)
            while client.get("/jobs").json()["jobs"][0]["status"] == "running":
                time.sleep(0.1)
    figures = {
        name: {
            f"p{share}": statistics.median(float(np.percentile(spell, share)) for spell in taken)
            for share in (50, 99)
        }
        for name, taken in (("alone", alone), ("beside a job", beside))
    }
    ratio = figures["beside a job"]["p99"] / figures["alone"]["p99"]
    if json_:
        print(json.dumps({**figures, "p99 ratio": ratio, "glyphs scored meanwhile": done}))
        return
    rows = [(name, f"{of['p50']:.1f} ms", f"{of['p99']:.1f} ms") for name, of in figures.items()]
    show.table("/classify, one client", ("", "p50", "p99"), rows)
    print(f"p99 beside a job: {ratio:.2f} x; {done:,} glyphs scored meanwhile.")


def _asked(client: httpx.Client, picture: bytes, seconds: float) -> list[float]:
    """Milliseconds of each request of a spell."""
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        client.post("/classify", content=picture).raise_for_status()
        taken.append(1000 * (time.perf_counter() - start))
        time.sleep(_PAUSE)
    return taken


def _begun(client: httpx.Client, fonts: list[Path]) -> str:
    """Address of a job that has scored a font, so that its process is past its start."""
    files = [("font", (font.name, font.read_bytes())) for font in fonts]
    job: str = client.post("/fonts/score", files=files).raise_for_status().json()["links"]["self"]
    while client.get(job).raise_for_status().json()["glyphs_done"] == 0:
        time.sleep(0.1)
    return job


@contextmanager
def _service() -> Iterator[httpx.Client]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            command=lambda port: [sys.executable, "-m", "glyphery", "serve", "--port", str(port)],
            environment=lambda port: {"GLYPHERY_JOBS": f"{folder}/jobs", "GLYPHERY_ACCESS_LOG": "false"},
            probe=get("/readyz"),
        )
        with (
            running(server, Path(folder) / "log") as service,
            httpx.Client(base_url=f"http://{HOST}:{service.port}", timeout=120) as client,
        ):
            yield client


if __name__ == "__main__":
    typer.run(main)
