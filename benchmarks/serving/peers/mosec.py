"""mosec: a controller in Rust before worker processes, which it hands batches."""

from __future__ import annotations

import json
import sys
from typing import Any

from mosec import Server, Worker
from mosec.errors import ValidationError

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier


class Recogniser(Worker):
    def __init__(self) -> None:
        super().__init__()
        asked = Asked.read()
        self._batch = asked.setting["batch"]
        self._classifier = Classifier(asked)

    def deserialize(self, data: bytes) -> Any:
        try:
            return self._classifier.decode(data)
        except BadPicture as error:
            raise ValidationError(str(error)) from None

    def forward(self, data: Any) -> Any:
        if self._batch == 1:
            return self._classifier.classify(data)
        return [self._classifier.answer(logits) for logits in self._classifier.infer(data)]

    def serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()


if __name__ == "__main__":
    wanted = Asked.read()
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", str(wanted.port)]
    server = Server()
    server.append_worker(
        Recogniser,
        num=wanted.setting["workers"],
        max_batch_size=wanted.setting["batch"],
        max_wait_time=wanted.setting["wait_ms"],
    )
    server.run()
