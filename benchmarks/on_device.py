"""Images a second of `/classify/batch` beside those of the bare recogniser on the same device.

`scripts/measure-on-gpu.sh` starts the service and calls this. The service is asked by callers in processes
of their own, each with batches of pictures in NDJSON; it decodes them, recognises them and makes answers of
them. The bare recogniser gets rasters that are decoded already, which no service can do; `decoded` decodes
them first, on one core.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, cast

import httpx
import numpy as np
import typer
from numpy.typing import NDArray

from bundles import default_bundle
from glyphery.client import Client
from glyphs.picture import PictureLimits, read_picture
from recognition.bundle import Bundle
from recognition.recogniser import Device, Recogniser

_PICTURES = Path(__file__).parents[1] / "docs"
_BATCHES = (16, 64, 256)
_CALLERS = (1, 4, 16)
_ROUNDS = 3
_PATIENCE = 600.0  # seconds that a caller waits: this measures, and gives nobody up


def main(
    server: Annotated[str, typer.Option(help="Address of the service.")],
    device: Annotated[str, typer.Option(help="What the bare recogniser runs on.")] = "cuda",
    images: Annotated[int, typer.Option(help="Images of each measurement.")] = 20_000,
) -> None:
    """Measure, and print JSON."""
    pictures = [(_PICTURES / name).read_bytes() for name in ("o.png", "ain-initial.png")]
    bundle = Bundle.load(default_bundle())
    rasters = np.stack([read_picture(data, bundle.manifest.raster, PictureLimits()) for data in pictures])
    recogniser = Recogniser(bundle, device=cast(Device, device), threads=1 if device != "cpu" else 0)
    bare = {str(batch): _bare(recogniser, rasters, batch, images) for batch in _BATCHES}
    decoding = _rate(
        lambda: [read_picture(pictures[0], bundle.manifest.raster, PictureLimits()) for _ in range(200)], 200
    )
    served = {str(callers): _served(server, pictures, callers, images) for callers in _CALLERS}
    with httpx.Client(base_url=server) as client:
        ready = client.get("/readyz").json()
        info = re.findall(r"^glyphery_model_info\{.*provider=\"(\w+)\".*$", client.get("/metrics").text, re.M)
    print(
        json.dumps(
            {
                "device": device,
                "readyz": ready,
                "provider in metrics": info,
                "bare recogniser, images/s by batch": bare,
                "decoding on one core, images/s": decoding,
                "/classify/batch, images/s by callers": served,
                "service / bare": round(max(served.values()) / max(bare.values()), 3),
            },
            indent=1,
        )
    )


def _bare(recogniser: Recogniser, rasters: NDArray[np.uint8], batch: int, images: int) -> float:
    some = np.resize(rasters, (batch, *rasters.shape[1:]))
    recogniser.answer(some)
    runs = max(1, images // batch)
    return _rate(lambda: [recogniser.answer(some) for _ in range(runs)], runs * batch)


def _rate(work: Any, count: int) -> float:
    """The best of a few rounds: what else runs only takes away."""
    best = 0.0
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        work()
        best = max(best, count / (time.perf_counter() - began))
    return round(best, 1)


def _served(server: str, pictures: list[bytes], callers: int, images: int) -> float:
    each = max(1, images // callers)
    with ProcessPoolExecutor(callers) as pool:
        list(pool.map(_ask, [server] * callers, [pictures] * callers, [2] * callers))  # connected, and warm
        return _rate(
            lambda: list(pool.map(_ask, [server] * callers, [pictures] * callers, [each] * callers)),
            each * callers,
        )


def _ask(server: str, pictures: list[bytes], count: int) -> None:
    def some() -> Iterator[bytes]:
        for number in range(count):
            yield pictures[number % len(pictures)]

    with Client(server, timeout=_PATIENCE) as client:
        answered = sum(1 for _ in client.classify_batch(some()))
    if answered != count:
        raise RuntimeError(f"{answered} answers to {count} pictures.")


if __name__ == "__main__":
    typer.run(main)
