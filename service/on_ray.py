"""The service as a Ray Serve deployment: replicas of the same application on several machines.

    serve run deploy/ray/serve.yaml

Each replica is what a single process is without Ray: the application, its models, its executors, its own
admission. Ray places replicas, replaces those that die with their machine, hands each request to one of
them, and puts new ones in the place of old ones a few at a time when the configuration changes. `arguments`
are settings by name, over the environment's and the file's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from ray import serve

from service.access import check_access
from service.app import create_app
from service.engine import Engine
from service.errors import NotReady
from service.settings import resolve_settings

# Of one replica. Its own admission refuses at once what it could not answer in time; behind a lower limit of
# Ray's, requests would wait in line for the refusal.
_ONGOING = 512
# A replica that shuts down answers what it has begun for as long as `service.run` would.
_DRAIN = 20.0
_LOOK = 0.05  # seconds between two looks at a replica that warms up


class Replica:
    """One application. Its lifespan is run by Ray, which finds the application by the method's name."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Raises BadSettings where they cannot be used, or would let in anybody who reaches Ray's proxies."""
        # Jobs need a folder that is always the same one; a replica may stand anywhere tomorrow.
        settings = resolve_settings({"jobs": "", **arguments, "processes": 1}).settings
        check_access(settings.model_copy(update={"host": "0.0.0.0"}))  # where proxies listen is Ray's affair
        self._app = create_app(settings)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app

    async def check_health(self) -> None:
        """Ray asks before it sends the first request, and every few seconds afterwards.

        Raises:
            NotReady: no executor is left, and Ray replaces the replica.
        """
        engine: Engine = self._app.state.engine
        while engine.alive and not engine.ready:
            await asyncio.sleep(_LOOK)
        if not engine.alive:
            raise NotReady("No executor is left.")


def build(arguments: dict[str, Any]) -> Any:
    """A Ray Serve application for `import_path: service.on_ray:build` with these `args`."""
    return deployment().bind(arguments)


def deployment(**options: Any) -> Any:
    """The deployment, with further options of Ray's."""
    return serve.deployment(
        serve.ingress()(Replica),
        name="Glyphery",
        max_ongoing_requests=_ONGOING,
        graceful_shutdown_timeout_s=_DRAIN,
        **options,
    )
