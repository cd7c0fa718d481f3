"""The peers: what to install of each, what is tried of its settings, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.serving import wire
from glyphs.processes import affinity

Setting = Mapping[str, Any]
CORES = affinity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server of the same model by somebody else.

    name: of its module in `benchmarks.serving.peers`
    requirements: pinned, for pip
    request: a picture's request
    read: the best label in each answer
    settings: what is tried; the best of them is the one measured
    """

    name: str
    title: str
    requirements: tuple[str, ...]
    request: Callable[[bytes], bytes]
    settings: tuple[Setting, ...]
    read: Callable[[bytes], Sequence[str]] = wire.best_prediction


PEERS = (
    Peer(
        name="fastapi",
        title="FastAPI",
        requirements=("fastapi==0.165.0", "uvicorn[standard]==0.54.0"),
        request=partial(wire.picture, "/classify"),
        settings=(
            {"endpoint": "def", "processes": 1, "threads": 1},
            {"endpoint": "def", "processes": CORES, "threads": 1},
            {"endpoint": "async", "processes": CORES, "threads": 1},
            {"endpoint": "async", "processes": 1, "threads": CORES},
        ),
    ),
    Peer(
        name="mosec",
        title="mosec",
        requirements=("mosec==0.9.8",),
        request=partial(wire.picture, "/inference"),
        settings=(
            {"workers": CORES, "batch": 1, "wait_ms": 0, "threads": 1},
            {"workers": CORES, "batch": 16, "wait_ms": 5, "threads": 1},
            {"workers": CORES, "batch": 8, "wait_ms": 1, "threads": 1},
        ),
    ),
    Peer(
        name="litserve",
        title="LitServe",
        requirements=("litserve==0.2.19",),
        request=partial(wire.in_json, "/predict"),
        settings=(
            {"workers": CORES, "batch": 1, "wait_ms": 0, "threads": 1},
            {"workers": CORES, "batch": 16, "wait_ms": 5, "threads": 1},
            {"workers": 1, "batch": 16, "wait_ms": 5, "threads": CORES},
        ),
    ),
    Peer(
        name="bentoml",
        title="BentoML",
        # 1.4.40 wants a certifi that not every index has yet.
        requirements=("bentoml==1.4.39",),
        request=partial(wire.in_json_list, "/classify"),
        read=wire.best_of_list,
        settings=(
            {"workers": CORES, "batch": 1, "latency_ms": 1000, "threads": 1},
            {"workers": 1, "batch": 1, "latency_ms": 1000, "threads": CORES},
            {"workers": CORES, "batch": 16, "latency_ms": 1000, "threads": 1},
        ),
    ),
    Peer(
        name="ray_serve",
        title="Ray Serve",
        requirements=("ray[serve]==2.60.0",),
        request=partial(wire.picture, "/classify"),
        settings=(
            {"replicas": CORES, "batch": 1, "wait_ms": 0, "threads": 1},
            {"replicas": 1, "batch": 16, "wait_ms": 5, "threads": CORES},
            {"replicas": CORES, "batch": 16, "wait_ms": 5, "threads": 1},
        ),
    ),
    Peer(
        name="mlserver",
        title="MLServer",
        # Its worker processes do not start under a later uvloop.
        requirements=("mlserver==1.7.1", "uvloop==0.21.0"),
        request=partial(wire.in_tensor, "/v2/models/glyphs/infer"),
        read=wire.best_of_tensor,
        settings=(
            {"workers": CORES, "batch": 1, "wait_ms": 0, "threads": 1},
            {"workers": 0, "batch": 1, "wait_ms": 0, "threads": CORES},
            {"workers": CORES, "batch": 16, "wait_ms": 5, "threads": 1},
        ),
    ),
)


def said(setting: Setting) -> str:
    """A setting in words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in setting.items())
