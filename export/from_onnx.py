"""The inverse of `to_onnx`: a bundle's weights, back in the model they came from.

With it a bundle is enough to train on from; no checkpoint has to be kept or shipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.graphs import whole
from glyphs.errors import BadBundle
from recognition.bundle import Bundle
from training.data import classes
from training.models import ModelOptions, Recogniser, create
from training.models.levit import AttentionBias
from training.warm_start import Start

_READ = "levit", "unified_mlp"  # how the names of models begin that can be read back
_PREFIX = "model."  # of a weight's name in the graph
_REMEDY = "Train on from a LeViT or unified MLP bundle of this version, or from a run folder."


def start_from_bundle(path: Path) -> Start:
    """The model of a bundle, its batch normalisations merged into the layers before them.

    What `export.broad` let join the embedding is left out: what was trained on is broadened anew.

    Raises:
        BadInput: it is a bundle's model in fewer bits.
        BadBundle: the bundle cannot be used, is quantised, or its graph is not one of `to_onnx`.
    """
    bundle = Bundle.load_whole(path)
    provenance = bundle.manifest.provenance
    try:
        config, samples = provenance.get("config", {}), int(provenance.get("samples", 0))
        name, options = config.get("model", bundle.manifest.name), ModelOptions(**config.get("options", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise BadBundle(f"{path} does not say what it was made by: {error}.", _REMEDY) from None
    if not str(name).startswith(_READ):
        raise BadBundle(f"{path} holds a {name}, which cannot be read back.", _REMEDY)
    model = create(
        name, labels=len(bundle.labels), size=bundle.manifest.raster.size, options=options
    ).eval()  # fmt: skip
    _fill(model, named_weights(bundle.model), path)
    return Start(model, classes(bundle.labels, bundle.names), merged=True, samples=samples)


def named_weights(path: Path) -> dict[str, Tensor]:
    """The weights of an exported graph by the names they have in torch, after folding.

    Most constants keep their names. Attention biases become whole (H, Q, K) constants, which are called
    `attention.0`, `attention.1` and so on in the order of the graph; what is looked up in a table by
    number is called `table.0`, `table.1`. A convolution's bias is that of the normalisation after it.
    """
    graph = whole(onnx.load(path)).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}

    def value(name: str) -> Tensor:
        return torch.from_numpy(np.array(numpy_helper.to_array(constants[name])))

    found = {_plain(name): value(name) for name in constants if name.startswith(_PREFIX)}
    attention = tables = 0
    for node in graph.node:
        held = [name for name in node.input if name in constants]
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 3:
            weight, bias = node.input[1:3]
            found[_plain(weight).removesuffix("weight") + "bias"] = value(bias)
        elif node.op_type == "GatherND" and held:
            found[f"table.{tables}"] = value(held[0])
            tables += 1
        elif node.op_type == "Add" and held:
            (name,) = held
            if len(constants[name].dims) == 3:
                found[f"attention.{attention}"] = value(name)
                attention += 1
    return found


def _plain(name: str) -> str:
    return name.removeprefix(_PREFIX)


@torch.no_grad()
def _fill(model: Recogniser, weights: dict[str, Tensor], path: Path) -> None:
    """Put merged weights into a model whose normalisations change nothing but add the bias."""
    state = model.state_dict()
    missing: list[str] = []

    def put(name: str, source: str) -> None:
        if source in weights and weights[source].shape == state[name].shape:
            state[name].copy_(weights[source])
        else:
            missing.append(name)

    for name in state:
        layer, _, kind = name.rpartition(".")
        if kind in ("running_mean", "num_batches_tracked"):
            state[name].zero_()
        elif kind == "running_var":
            norm = model.get_submodule(layer)
            assert isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))
            state[name].fill_(1.0 - norm.eps)
            state[f"{layer}.weight"].fill_(1.0)
            # LinearNorm's layers are `linear` and `norm`, those of a sequence have numbers.
            before = layer.removesuffix("norm") + "linear"
            if not layer.endswith("norm"):
                sequence, _, place = layer.rpartition(".")
                before = f"{sequence}.{int(place) - 1}"
            put(f"{layer}.bias", f"{before}.bias")
    norms = {name.rpartition(".")[0] for name in state if name.endswith("running_var")}
    biases = [name for name, module in model.named_modules() if isinstance(module, AttentionBias)]
    for number, layer in enumerate(biases):
        whole = weights.get(f"attention.{number}")
        table = state[f"{layer}.bias"]
        index = model.get_submodule(layer).index
        assert isinstance(index, Tensor)
        if whole is None or whole.shape != (len(table), *index.shape):
            missing.append(f"{layer}.bias")
            continue
        table.scatter_(1, index.flatten().expand(len(table), -1), whole.flatten(1))
    for name in state:
        layer, _, kind = name.rpartition(".")
        if kind == "relative_bias":  # merged into the weights that it is added to
            state[name].zero_()
        elif name == "backbone.primitives.embedding":
            put(name, "table.0")
        elif layer not in norms and layer not in biases:
            put(name, name)
    if missing:
        raise BadBundle(f"{path} does not hold {missing[0]} as its model has it.", _REMEDY)
