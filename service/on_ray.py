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
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access import check_access
from service.app import create_app
from service.engine import Engine
from service.errors import NotReady
from service.models import Models
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
        """Models are loaded here and not in the lifespan, of whose errors `serve status` says nothing.

        Raises:
            BadSettings: they cannot be used, or would let in anybody who reaches Ray's proxies.
            BadBundle, BadIndex: a bundle cannot be served.
        """
        # Jobs need a folder that is always the same one; a replica may stand anywhere tomorrow.
        settings = resolve_settings({"jobs": "", **arguments, "processes": 1}).settings
        check_access(settings.model_copy(update={"host": "0.0.0.0"}))  # where proxies listen is Ray's affair
        self._app = create_app(settings, models=Models.load(settings.bundles, settings.device))
        self._app.add_middleware(_NamedOnce)

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


class _NamedOnce:
    """Leaves out of answers the request's id that came with the request: Ray's proxy adds it to them, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = [header for header in scope.get("headers", ()) if header[0] == b"x-request-id"]

        async def send_once(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message["headers"] if header not in named]
            await send(message)

        await self._app(scope, receive, send_once)


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
