"""Ray Serve: a proxy before replicas, which are actors of a Ray cluster of this one machine."""

from __future__ import annotations

import signal
import time
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from benchmarks.serving.peers.work import Asked, BadPicture, Classifier

asked = Asked.read()
setting = asked.setting


class Recogniser:
    def __init__(self) -> None:
        self._classifier = Classifier(asked)

    async def __call__(self, request: Request) -> JSONResponse:
        try:
            raster = self._classifier.decode(await request.body())
        except BadPicture as error:
            return JSONResponse({"detail": str(error)}, 422)
        if setting["batch"] == 1:
            return JSONResponse(self._classifier.classify(raster))
        return JSONResponse(self._classifier.answer(await self._infer(raster)))

    @serve.batch(max_batch_size=setting["batch"], batch_wait_timeout_s=setting["wait_ms"] / 1000)
    async def _infer(self, rasters: list[Any]) -> list[Any]:
        return list(self._classifier.infer(rasters))


def end(*_: Any) -> None:
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    ray.init(include_dashboard=False, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": asked.port, "access_log": False})
        deployment = serve.deployment(Recogniser).options(
            num_replicas=setting["replicas"],
            max_ongoing_requests=100,
            ray_actor_options={"num_cpus": 1 / setting["replicas"]},
        )
        serve.run(deployment.bind(), route_prefix="/classify")
        while True:
            time.sleep(1)
    finally:
        ray.shutdown()
