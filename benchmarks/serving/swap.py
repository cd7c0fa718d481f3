"""Loading a model over and over while it is asked: nothing may fail, and every answer is of one model."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving import subjects, wire
from benchmarks.serving.asked import Asked
from benchmarks.serving.load import Outcome
from benchmarks.serving.servers import NotMeasured, Running, running
from benchmarks.serving.statistics import Figures, count_wrong, percentiles, summary
from benchmarks.serving.workshop import Workshop
from recognition.bundle import Bundle, in_precision, seal

_CALLERS = 8
_REST = 2  # times as long as it takes to load a model does the service rest before it loads the next
_SLOWER = 12  # times as long as alone does loading take under load, at most: it gives way to what is asked


def swap(asked: Asked, workshop: Workshop) -> Figures:
    """Raises NotMeasured where the service cannot load models."""
    with TemporaryDirectory(dir=workshop.folder) as scratch:
        return _swap(asked, workshop, Path(scratch))


def _swap(asked: Asked, workshop: Workshop, scratch: Path) -> Figures:
    other = _renumbered(asked.bundle, scratch / "other")
    token, keys = secrets.token_urlsafe(32), scratch / "keys"
    keys.write_text(f"benchmark:{sha256(token.encode()).hexdigest()}:admin\n")
    questions = subjects.classify(asked, X_API_Key=token)
    server_of = subjects.serving([asked.bundle.address], questions.requests[0], {"GLYPHERY_KEYS": str(keys)})
    generator, extent = workshop.generator, workshop.extent
    with running(server_of, workshop.log("swap")) as server:
        turns = (_loading(other, token), _loading(asked.bundle, token))
        generator.run(questions.load(server, seconds=extent.warm_up, callers=_CALLERS))
        alone = max(_timed(server, request) for request in turns)
        trying = generator.start(questions.load(server, seconds=_SLOWER * alone, callers=_CALLERS))
        interval = (1 + _REST) * max(_timed(server, request) for request in turns)
        trying.result()
        seconds = max(extent.seconds, interval * extent.swaps)
        steady = questions.measured(generator, server, seconds=seconds / 2, callers=_CALLERS)
        # Every answer is kept: each has to say which model it comes from.
        asking = generator.start(questions.load(server, seconds=seconds, callers=_CALLERS, sample=1))
        taken, refused = [], []
        for number in range(extent.swaps):
            if asking.done():
                break
            began = time.monotonic()
            try:
                taken.append(1000 * _timed(server, turns[number % 2]))
            except NotMeasured as error:
                refused.append(str(error))
            time.sleep(max(0.0, began + interval - time.monotonic()))
        outcome = asking.result()
    wrong = count_wrong(outcome, questions.read, questions.expected)
    return {
        "swaps": len(taken),
        "failed_swaps": refused,
        "loading": percentiles(taken),
        "steady": steady,
        "swapping": summary(outcome, wrong=wrong),
        "by_digest": _by_digest(outcome, (asked.bundle, other)),
    }


def _renumbered(bundle: Bundle, folder: Path) -> Bundle:
    """The same bundle under another version."""
    shutil.copytree(bundle.path, folder)
    whole = Bundle.load(folder).manifest
    seal(folder, replace(whole, version=f"{whole.version}-again"))
    return Bundle.load(in_precision(folder, bundle.variant))


def _loading(bundle: Bundle, token: str) -> bytes:
    body = json.dumps({"path": str(bundle.address.resolve())}).encode()
    path = f"/admin/models/{bundle.manifest.name}/load"
    return wire.post(path, body, "application/json", X_API_Key=token)


def _timed(server: Running, request: bytes) -> float:
    """Seconds a load takes. Raises NotMeasured where it fails."""
    began = time.monotonic()
    try:
        status, body = server.ask(request)
    except OSError as error:
        raise NotMeasured(f"POST /admin/models/NAME/load: {error}") from None
    if status != 200:
        raise NotMeasured(f"POST /admin/models/NAME/load answers {status}: {body[:120]!r}")
    return time.monotonic() - began


def _by_digest(outcome: Outcome, bundles: tuple[Bundle, ...]) -> Figures:
    """How many answers came from each model, and how many from none that there is."""
    names = {(bundle.manifest.version, bundle.digest): bundle.manifest.version for bundle in bundles}
    found = Counter(dict.fromkeys(names.values(), 0) | {"inconsistent": 0})
    for _, body in outcome.sample:
        model = json.loads(body)["model"]
        found[names.get((model["version"], model["digest"]), "inconsistent")] += 1
    return dict(found)
