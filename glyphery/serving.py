"""`glyphery serve`: the HTTP service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from glyphs.errors import BadInput


def serve(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a bundle, the shipped one by default; repeat for more, the default first."
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 127.0.0.1 unless set otherwise, which only this machine reaches."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8000 unless set otherwise.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that share the port, each with its own copy of the models.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys, one of which every request must bring.")
    ] = None,
    open_access: Annotated[
        bool, typer.Option("--open-access", help="Listen beyond this machine although there are no keys.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="What the models run on: cpu, cuda, tensorrt, or auto.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="File of settings, TOML; otherwise GLYPHERY_SETTINGS may name one.")
    ] = None,
    others: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting; repeat for more.")
    ] = None,
    show_settings: Annotated[
        bool,
        typer.Option("--show-settings", help="Print the settings and where each comes from; serve nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Serve over HTTP what the others do with pictures, fonts and documents, and a page to do it on.

    Settings also come from GLYPHERY_* variables, and from a file; options go before them, variables before
    the file.
    """
    # Executors share the processors out among glyphs. A matrix product that, inside one of them, took
    # threads of its own would wait for the others: a request would cost twice as much. Read by numpy's
    # BLAS and by FAISS when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.run import serve as run
    from service.settings import resolve_settings
    from service.settings_table import as_json as table_as_json
    from service.settings_table import as_text as table_as_text

    given = {
        "bundles": bundle or None,
        "host": host,
        "port": port,
        "processes": processes,
        "keys": keys,
        "open_access": open_access or None,
        "device": device,
    }
    resolved = resolve_settings(
        _named(others or []) | {k: v for k, v in given.items() if v is not None}, settings
    )
    if show_settings or as_json:
        print(table_as_json(resolved) if as_json else table_as_text(resolved))
    else:
        run(resolved.settings)


def _named(pairs: list[str]) -> dict[str, str]:
    """Raises BadInput where one is not NAME=VALUE."""
    for pair in pairs:
        if "=" not in pair:
            raise BadInput(f"--set {pair} sets nothing.", "Write --set NAME=VALUE.")
    return dict(pair.split("=", 1) for pair in pairs)
