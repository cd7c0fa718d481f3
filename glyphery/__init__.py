"""Glyphery recognises glyphs. From Python, `Client` and `AsyncClient` ask a service that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glyphery.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: the command line should answer at once.
    if name in __all__:
        from glyphery import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
