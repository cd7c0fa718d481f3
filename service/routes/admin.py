"""POST /admin/...: what an operator changes at work; `service.access` asks for an admin key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from glyphs.errors import BadBundle
from service.errors import (
    OF_THE_DOOR,
    ExecutorDied,
    Forbidden,
    NotReady,
    Unavailable,
    UnknownModel,
    UnusableBundle,
)
from service.models import ServedModel
from service.noticeboard import Noticeboard
from service.parameters import engine_of, settings_of
from service.problems import documented
from service.routes.models import described
from service.schemas import LoadModel, LoadResponse

router = APIRouter(prefix="/admin", tags=["administration"])


@router.post(
    "/models/{name}/load",
    response_model=LoadResponse,
    responses=documented(*OF_THE_DOOR, Forbidden, UnknownModel, UnusableBundle, NotReady, ExecutorDied),
    summary="Load a model, in place of the one of its name",
)
async def load(
    request: Request,
    name: str,
    wanted: LoadModel | None = None,
) -> Any:
    """The bundle is read, checked and tried out while requests go on. From then on they are answered by
    it; whatever is wrong with it, the model that was served goes on being served. Where several processes
    serve, the others follow within seconds.
    """
    engine, settings = engine_of(request), settings_of(request)
    lock: asyncio.Lock = request.app.state.loading
    async with lock:
        former = next((model for model in engine.models.all if model.name == name), None)
        if wanted and wanted.path:
            path = Path(wanted.path)
        elif former:
            path = former.bundle.address
        else:
            raise UnknownModel(f"No model {name} is served here.", "Say from which folder to load it.")
        try:
            model = await ServedModel.load_aside(path, settings.device)
            if model.name != name:
                raise BadBundle(f"It holds the model {model.name}, not {name}.")
            await engine.rehearse(model)
        except Unavailable:
            raise
        except Exception as error:  # of ours, ONNX Runtime, FAISS or NumPy: the bundle is to blame
            raise UnusableBundle(path, error) from error
        if settings.shared:  # first, lest this process alone serve what the others cannot be told of
            await asyncio.to_thread(Noticeboard(settings.shared).post, model)
        engine.models.put(model)
    return {**described(model), "replaced": former and former.digest}
