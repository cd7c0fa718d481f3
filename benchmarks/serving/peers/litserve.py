"""LitServe: FastAPI before worker processes, which take batches from a queue."""

from typing import Any

import litserve
from fastapi import HTTPException

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier


class Recogniser(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._classifier = Classifier(Asked.read())

    # LitServe looks at the annotations of this and of `encode_response`: without any, a request is JSON.
    def decode_request(self, request):
        try:
            return self._classifier.decode_base64(request["image"])
        except (BadPicture, ValueError, KeyError) as error:
            raise HTTPException(422, str(error)) from None

    def batch(self, inputs: list[Any]) -> Any:
        return inputs

    def predict(self, inputs: Any) -> Any:
        return self._classifier.infer(inputs if isinstance(inputs, list) else [inputs])

    def unbatch(self, output: Any) -> Any:
        return output

    def encode_response(self, output):
        return self._classifier.answer(output if output.ndim == 1 else output[0])


if __name__ == "__main__":
    asked = Asked.read()
    setting = asked.setting
    api = Recogniser(max_batch_size=setting["batch"], batch_timeout=setting["wait_ms"] / 1000)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=setting["workers"], fast_queue=True
    )
    server.run(
        host="127.0.0.1", port=asked.port, generate_client_file=False, access_log=False, log_level="warning"
    )
