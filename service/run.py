"""Serving: one process under uvicorn. More processes are replicas: start more of these."""

from __future__ import annotations

import uvicorn

from service.app import create_app
from service.models import Models
from service.settings import Settings

_KEEP_ALIVE = 30  # seconds an idle connection is kept: clients that ask again save the handshake
_DRAIN = 20  # seconds given to open requests at shutdown


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGINT, SIGTERM), then finish what was begun.

    Raises:
        BadBundle, BadIndex, BadSettings: the bundles cannot be used; raised before anything listens.
    """
    models = Models.load(settings.bundles, settings.device)
    uvicorn.run(
        create_app(settings, models=models),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_DRAIN,
    )
