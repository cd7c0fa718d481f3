"""`glyphery serve`: the HTTP service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a bundle, the shipped one by default; repeat for more, the default first."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that share the port, each with its own copy of the models.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys, one of which every request must bring.")
    ] = None,
    open_access: Annotated[
        bool, typer.Option("--open-access", help="Listen beyond this machine although there are no keys.")
    ] = False,
) -> None:
    """Serve /classify and /similar over HTTP. Settings also come from GLYPHERY_* variables."""
    # Executors share the processors out among glyphs. A matrix product that, inside one of them, took
    # threads of its own would wait for the others: a request would cost twice as much. Read by numpy's
    # BLAS and by FAISS when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.run import serve as run
    from service.settings import read_settings

    run(
        read_settings(
            bundles=bundle or None,
            host=host,
            port=port,
            processes=processes,
            keys=keys,
            open_access=open_access or None,
        )
    )
