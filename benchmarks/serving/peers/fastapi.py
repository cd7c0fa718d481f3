"""Plain FastAPI under uvicorn: an endpoint in the thread pool (`def`), or in the event loop (`async`)."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, HTTPException
from pydantic import BaseModel

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier

Picture = Annotated[bytes, Body(media_type="image/png")]
asked = Asked.read()
app = FastAPI()


class Prediction(BaseModel):
    label: str
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str
    probability: float


class Answer(BaseModel):
    predictions: list[Prediction]


@cache
def classifier() -> Classifier:
    return Classifier(asked)


def classify(picture: Picture) -> Any:
    try:
        raster = classifier().decode(picture)
    except BadPicture as error:
        raise HTTPException(422, str(error)) from None
    return classifier().classify(raster)


async def classify_in_loop(picture: Picture) -> Any:
    return classify(picture)


endpoint = classify if asked.setting["endpoint"] == "def" else classify_in_loop
app.post("/classify", response_model=Answer)(endpoint)
app.router.on_startup.append(classifier)

if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.serving.peers.fastapi:app",
        port=asked.port,
        workers=asked.setting["processes"],
        access_log=False,
    )
