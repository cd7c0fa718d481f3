"""MLServer: a runtime of our own behind the Open Inference Protocol, in worker processes of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier


class Recogniser(MLModel):
    async def load(self) -> bool:
        self._classifier = Classifier(Asked.read())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        texts = StringCodec.decode_input(payload.inputs[0])
        try:
            rasters = [self._classifier.decode_base64(text) for text in texts]
        except (BadPicture, ValueError) as error:
            raise InferenceError(str(error)) from None
        logits = self._classifier.infer(rasters)
        answers = [json.dumps(self._classifier.answer(row)) for row in logits]
        output = StringCodec.encode_output("answers", answers)
        return InferenceResponse(model_name=self.name, outputs=[output])


def configure(asked: Asked) -> None:
    setting = asked.setting
    server = {
        "host": "127.0.0.1", "http_port": asked.port, "grpc_port": 0, "metrics_endpoint": None,
        "parallel_workers": setting["workers"], "debug": False,
    }  # fmt: skip
    model = {
        "name": "glyphs", "implementation": "benchmarks.serving.peers.mlserver.Recogniser",
        "max_batch_size": setting["batch"] if setting["batch"] > 1 else 0,
        "max_batch_time": setting["wait_ms"] / 1000,
    }  # fmt: skip
    for name, content in (("settings.json", server), ("model-settings.json", model)):
        (asked.folder / name).write_text(json.dumps(content))


if __name__ == "__main__":
    wanted = Asked.read()
    configure(wanted)
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(wanted.folder)])
