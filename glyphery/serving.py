"""`glyphery serve`: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a bundle, the shipped one by default; repeat for more, the default first."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve /classify and /similar over HTTP. Settings also come from GLYPHERY_* variables."""
    from service.run import serve as run
    from service.settings import read_settings

    run(read_settings(bundles=bundle or None, host=host, port=port))
