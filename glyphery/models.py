"""`glyphery models`: what there is to train, and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from glyphery import show


def models(
    name: Annotated[str, typer.Argument(help="One model; all by default.")] = "",
    layers: Annotated[
        bool, typer.Option("--layers", help="Profile the model layer by layer, on this CPU.")
    ] = False,
    labels: Annotated[int, typer.Option(min=1, help="Labels to tell apart.")] = 5000,
    size: Annotated[int, typer.Option(help="Pixels of a raster's side.")] = 128,
    channels: Annotated[int, typer.Option(help="1 for grey rasters, 3 for colour.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Rasters in a profiled pass.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the models with their parameters and flops for one raster."""
    from glyphs.errors import BadInput
    from training.models import MODELS, inventory

    if layers:
        if not name:
            raise BadInput("--layers profiles one model.", f"Name one of {', '.join(MODELS)}.")
        profile = inventory.layers(name, labels=labels, channels=channels, size=size, batch=batch)
        if json:
            show.as_json([asdict(layer) for layer in profile])
            return
        show.table(
            f"{name}: {labels:,} labels, {size} x {size} pixels, {batch} in a pass",
            ("layer", "kind", "output", "parameters", "flops", "milliseconds"),
            (
                (each.name, each.kind, " x ".join(map(str, each.shape)),
                 each.parameters, each.flops, each.milliseconds)
                for each in profile
            ),
        )  # fmt: skip
        return
    cards = [
        inventory.describe(each, labels=labels, channels=channels, size=size)
        for each in ([name] if name else MODELS)
    ]
    if json:
        show.as_json([asdict(card) for card in cards])
        return
    show.table(
        f"{labels:,} labels, {size} x {size} pixels",
        ("name", "parameters", "flops"),
        (asdict(card).values() for card in cards),
    )
