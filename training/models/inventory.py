"""What a model is made of: its parameters, its arithmetic, and where its time goes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from training.models import ModelOptions, Recogniser, create
from training.models.recogniser import METRICS


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Size of a model, its heads included.

    Attributes:
        flops: for one image, of convolutions and matrix products alone, as is usual; a
            multiplication and its addition count 2
    """

    name: str
    parameters: int
    flops: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One module's own share of a pass, without that of the modules in it that are listed too.

    Attributes:
        name: path of the module in the model; the model itself goes by its own name
        kind: the module's class
        shape: of its output, or the first of several, for the whole batch
        flops: for one image, counted as in ModelCard
        milliseconds: for the whole batch; the median of several passes
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    flops: int
    milliseconds: float


def describe(
    name: str, *, labels: int, channels: int = 1, size: int = 128, options: ModelOptions = ModelOptions()
) -> ModelCard:
    """Parameters and flops of a model, without ever allocating its weights.

    Raises:
        BadInput: there is no such model, or it cannot be made for such rasters.
    """
    with torch.device("meta"):
        model = create(name, labels=labels, channels=channels, size=size, options=options).eval()
        example = _example(1, channels, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*example)
    return ModelCard(name, sum(p.numel() for p in model.parameters()), counter.get_total_flops())


def layers(
    name: str, *, labels: int, channels: int = 1, size: int = 128, options: ModelOptions = ModelOptions(),
    batch: int = 1, passes: int = 10,
) -> list[Layer]:  # fmt: skip
    """The profile of a model, in the order in which its layers finish; the model itself comes last.

    Listed are modules without modules in them, and those that hold parameters or multiply on their
    own. Their parameters and flops add up to the model's, their times nearly so. It runs on the CPU
    in evaluation mode, its normalisations not yet folded.

    Raises:
        BadInput: as `describe`.
    """
    model = create(name, labels=labels, channels=channels, size=size, options=options).eval()
    modules = dict(model.named_modules())
    with (
        torch.no_grad(),
        FlopCounterMode(display=False) as counter,
        _shares(modules, counter.get_total_flops) as flops,
    ):
        model(*_example(1, channels, size))
    listed = {path: module for path, module in modules.items() if _is_listed(module, flops.own.get(path))}

    example = _example(batch, channels, size)
    times: defaultdict[str, list[float]] = defaultdict(list)
    with torch.inference_mode():
        model(*example)  # the first pass of a size allocates
        for _ in range(passes):
            with _shares(listed, time.perf_counter) as seconds:
                model(*example)
            for path, own in seconds.own.items():
                times[path].append(1000 * own)

    parameters: Counter[str] = Counter()
    for path, parameter in model.named_parameters():
        # A module's weights may be used without calling it: they count for what it is part of.
        while path not in times:
            path = path.rpartition(".")[0]
        parameters[path] += parameter.numel()
    return [
        Layer(
            path or name,
            type(listed[path]).__name__,
            seconds.shapes[path],
            parameters[path],
            int(flops.own[path]),
            median(milliseconds),
        )
        for path, milliseconds in times.items()
    ]


def _example(batch: int, channels: int, size: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(batch, channels, size, size), torch.zeros(batch, METRICS)


def _is_listed(module: nn.Module, flops: float | None) -> bool:
    inner, own = list(module.children()), list(module.parameters(recurse=False))
    return isinstance(module, Recogniser) or (flops is not None and (not inner or bool(own) or flops > 0))


@dataclass(frozen=True, slots=True)
class _Shares:
    """By path of a module: what a pass took in it but in no watched module in it, and its output's shape."""

    own: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


@contextmanager
def _shares(modules: Mapping[str, nn.Module], clock: Callable[[], float]) -> Iterator[_Shares]:
    """Watch passes through modules by a clock, be it of seconds or of operations."""
    shares = _Shares()
    running: list[list[float]] = []  # of each module that is running: when it began, what those in it took

    def begin(*_: object) -> None:
        running.append([clock(), 0])

    def end(path: str, answer: object) -> None:
        began, inner = running.pop()
        took = clock() - began
        if running:
            running[-1][1] += took
        shares.own[path] += took - inner
        shares.shapes[path] = _shape(answer)

    hooks = [module.register_forward_pre_hook(begin) for module in modules.values()]
    hooks += [
        module.register_forward_hook(lambda _module, _inputs, answer, path=path: end(path, answer))
        for path, module in modules.items()
    ]
    try:
        yield shares
    finally:
        for hook in hooks:
            hook.remove()


def _shape(answer: object) -> tuple[int, ...]:
    while not isinstance(answer, Tensor):
        answer = next(iter(answer.values() if isinstance(answer, dict) else answer))  # type: ignore[call-overload]
    return tuple(answer.shape)
