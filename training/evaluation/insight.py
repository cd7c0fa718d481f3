"""Looking into a model: its embedding from above, where it attends, which primitives it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from torch import Tensor, nn

from training.data.source import Pixels
from training.evaluation.pictures import shown
from training.evaluation.plots import COLOURS, GREY, PALE, RED, brief, part
from training.evaluation.record import Record
from training.models import Recogniser

_POINTS = 3000
_FEW = len(COLOURS)
_ACROSS = 6
_EVEN = 1e-3  # attention that varies less than this, relatively, is even


def tsne(record: Record) -> Figure | None:
    """The embedding in two dimensions (van der Maaten and Hinton, JMLR 2008); None for under ten glyphs.

    Coloured by script where there are several scripts and many classes, else by class; what is rare is grey.
    """
    rows = record.sample(_POINTS)
    if len(rows) < 10:
        return None
    points = TSNE(
        perplexity=min(30, len(rows) / 4), metric="cosine", init="random", random_state=0, n_jobs=2
    ).fit_transform(record.embedding[rows].astype(np.float32))
    truth, labels = record.truth[rows], record.subject.labels
    names = np.array([part(labels[place].character.script) for place in truth])
    if len(np.unique(truth)) <= _FEW or len(np.unique(names)) == 1:
        names = np.array([brief(record.subject.called(place)) for place in truth])
    found, counts = np.unique(names, return_counts=True)
    figure = Figure(figsize=(7.2, 6.0))
    axes = figure.subplots()
    few = found[np.argsort(-counts)][:_FEW]
    rest = ~np.isin(names, few)
    axes.scatter(
        points[rest, 0],
        points[rest, 1],
        s=5,
        color=PALE,
        label=f"others ({rest.sum():,})" if rest.any() else None,
    )
    for name, colour in zip(few, COLOURS, strict=False):
        here = names == name
        axes.scatter(
            points[here, 0],
            points[here, 1],
            s=5,
            color=colour,
            linewidths=0,
            label=f"{name} ({here.sum():,})",
        )
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3)
    return figure


def attention_maps(model: Recogniser, rasters: Pixels, channels: int = 1) -> NDArray[np.float32]:
    """(n, S, S) or (n, 3, S, S) -> (n, S, S) float32 0..1: how much each place is attended to on average.

    Every attention's share over its keys, averaged over heads and queries, spread over the raster and
    averaged over the attentions; in each picture from 0 where it is least to 1 where it is most, or 0 all
    over where it is even. A class token is left out.
    """
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _, __, weights: seen.append(weights.detach().float()))
        for module in _attention(model)
    ]
    try:
        with torch.inference_mode():
            model.backbone(_images(rasters, channels))
    finally:
        for hook in hooks:
            hook.remove()
    size = rasters.shape[-1]
    total = torch.zeros(len(rasters), 1, size, size)
    for weights_BHQK in seen:
        keys_BK = weights_BHQK.mean(dim=(1, 2))
        side = int(keys_BK.shape[1] ** 0.5)
        keys_BK = keys_BK[:, -side * side :]
        grid = keys_BK.reshape(-1, 1, side, side) * side * side
        total += nn.functional.interpolate(grid, (size, size), mode="bilinear", align_corners=False)
    least, most = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    spread = most - least
    return torch.where(spread > _EVEN * most, (total - least) / spread, 0.0)[:, 0].numpy()


def attention(model: Recogniser, rasters: Pixels, channels: int = 1) -> Figure | None:
    """Each raster with what is attended to over it; None where the model has no attention."""
    if not _attention(model):
        return None
    maps = attention_maps(model, rasters, channels)
    figure, cells = _sheet(len(rasters))
    for axes, raster, heat in zip(cells, rasters, maps, strict=True):
        axes.imshow(shown(raster), alpha=0.6)
        axes.imshow(np.full((*heat.shape, 3), to_rgb(RED)), alpha=0.75 * heat)
    return figure


def primitives_of(model: Recogniser, rasters: Pixels, channels: int = 1) -> NDArray[np.int64] | None:
    """(n, G, G) the primitive of each cell, 0..1023; None where the model has none."""
    explain: Any = getattr(model.backbone, "explain", None)
    if explain is None:
        return None
    with torch.inference_mode():
        found: NDArray[np.int64] = explain(_images(rasters, channels)).numpy()
    return found


def primitives(model: Recogniser, rasters: Pixels, channels: int = 1) -> Figure | None:
    """Each raster with its cells coloured by primitive; the commonest one, empty ground, stays clear."""
    found = primitives_of(model, rasters, channels)
    if found is None:
        return None
    figure, cells = _sheet(len(rasters))
    ground = np.bincount(found.ravel()).argmax()
    colours = np.array([to_rgb(colour) for colour in COLOURS])
    # Neighbouring numbers share their first half, so that it gives the hue and the second the shade.
    first, second = np.divmod(found, 32)
    shade = colours[first % len(colours)] * (0.55 + 0.45 * (second[..., None] % 8) / 7)
    cover = np.concatenate([shade, np.where(found == ground, 0.0, 0.6)[..., None]], axis=-1)
    size, grid = rasters.shape[-1], found.shape[-1]
    lines = np.arange(0, size + 1, size / grid) - 0.5
    for axes, raster, cells_GG4 in zip(cells, rasters, cover, strict=True):
        axes.imshow(shown(raster))
        axes.imshow(cells_GG4, extent=(-0.5, size - 0.5, size - 0.5, -0.5), interpolation="nearest")
        axes.hlines(lines, -0.5, size - 0.5, color=GREY, linewidth=0.2)
        axes.vlines(lines, -0.5, size - 0.5, color=GREY, linewidth=0.2)
    return figure


def _attention(model: Recogniser) -> Sequence[nn.Module]:
    """The softmaxes over keys, by the name that the models of this project give them."""
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Softmax) and name.rpartition(".")[2] == "attend"
    ]


def _images(rasters: Pixels, channels: int) -> Tensor:
    """As a backbone takes them: (n, channels, S, S) float 0..1."""
    images = torch.from_numpy(rasters if rasters.ndim == 4 else rasters[:, None]).float() / 255
    return images.expand(-1, channels, -1, -1)


def _sheet(number: int) -> tuple[Figure, Sequence[Any]]:
    """A figure of so many square cells without axes."""
    rows = -(-number // _ACROSS)
    figure = Figure(figsize=(1.5 * _ACROSS, 1.5 * rows))
    cells = list(figure.subplots(rows, _ACROSS, squeeze=False).flat)
    for axes in cells:
        axes.axis("off")
    return figure, cells[:number]
