"""BentoML: worker processes under a supervisor, with adaptive batching where it is asked for."""

from __future__ import annotations

import os
import sys
from typing import Any

import bentoml
from bentoml.exceptions import InvalidArgument

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier

asked = Asked.read()
batch = asked.setting["batch"]


@bentoml.service(
    workers=asked.setting["workers"], traffic={"timeout": 30}, logging={"access": {"enabled": False}}
)
class Recogniser:
    def __init__(self) -> None:
        self._classifier = Classifier(asked)

    # Batches are made of lists, wherefore a client sends a list even of one.
    @bentoml.api(
        batchable=batch > 1, max_batch_size=max(batch, 2), max_latency_ms=asked.setting["latency_ms"]
    )
    def classify(self, image: list[str]) -> list[dict[str, Any]]:
        try:
            rasters = [self._classifier.decode_base64(text) for text in image]
        except (BadPicture, ValueError) as error:
            raise InvalidArgument(str(error)) from None
        return [self._classifier.answer(row) for row in self._classifier.infer(rasters)]


if __name__ == "__main__":
    served = "benchmarks.serving.peers.bentoml:Recogniser"
    command = [sys.executable, "-m", "bentoml", "serve", served, "--port", str(asked.port)]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1"])
