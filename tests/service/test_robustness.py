"""Whatever is sent, the service answers: no 5xx, no hang, no dead executor, no growth.

A release is tried with GLYPHERY_FUZZ=10000 mutated bodies and GLYPHERY_EXAMPLES=300 of each endpoint.
"""

import base64
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

MUTANTS = int(os.environ.get("GLYPHERY_FUZZ", "400"))
EXAMPLES = int(os.environ.get("GLYPHERY_EXAMPLES", "15"))
KINDS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
BOUNDARY = "----glyphery"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flipped, cut, doubled, overwritten or stretched at random, once or a few times."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(len(body) + 1)
        stop = min(len(body), place + rng.choice((1, 2, 4, 16, 256)))
        match rng.randrange(6):
            case 0 if place < len(body):
                body[place] ^= 1 << rng.randrange(8)
            case 1:
                del body[place:]
            case 2:
                body[place:place] = body[place:stop]
            case 3:
                body[place:stop] = rng.randbytes(stop - place)
            case 4:
                body[place:stop] = rng.choice((b"\xff", b"\x00")) * (stop - place)
            case 5:
                del body[place:stop]
    return bytes(body)


def bodies(picture) -> list[tuple[str, bytes]]:
    """Content types with sound bodies, to be mutated."""
    seeds = [(f"image/{kind.lower()}", picture("65", kind=kind)) for kind in KINDS]
    png = picture("1593_init")
    seeds.append(("application/json", json.dumps({"image": base64.b64encode(png).decode()}).encode()))
    form = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    end = f"\r\n--{BOUNDARY}--\r\n"
    seeds.append((f"multipart/form-data; boundary={BOUNDARY}", form.encode() + png + end.encode()))
    return seeds


def resident(pid: int | str = "self") -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_mutated_bodies_never_break_anything(serve, picture):
    rng = random.Random(20261121)
    seeds = bodies(picture)
    with serve(max_pixels=2_000_000) as running:
        alone = running.client.post("/embed", content=picture("65")).json()

        def send(number: int) -> int:
            kind, body = seeds[number % len(seeds)]
            path = ("/classify", "/similar", "/embed")[number // len(seeds) % 3]
            random_of_this = random.Random(rng.random() + number)
            content = mutated(body, random_of_this)
            try:
                answer = running.client.post(path, content=content, headers={"content-type": kind})
            except httpx.HTTPError as error:  # an answer is owed to everybody
                raise AssertionError(f"{path} {kind} mutant {number}: {error!r}") from error
            assert answer.status_code in (200, 400, 413, 415, 422, 429), (number, answer.text)
            answer.json()
            return answer.status_code

        with ThreadPoolExecutor(4) as clients:
            warm = list(clients.map(send, range(MUTANTS // 4)))
            before = resident()
            statuses = warm + list(clients.map(send, range(MUTANTS // 4, MUTANTS)))
        assert {200, 400, 415, 422} <= set(statuses)
        assert resident() < 1.3 * before
        assert running.engine.ready
        assert running.client.post("/embed", content=picture("65")).json() == alone


QUIETLY = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_what_the_description_allows_is_answered_as_it_says(server):
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    tried = 0
    for operation in description.get_all_operations():

        @given(operation.ok().as_strategy())
        @settings(QUIETLY, max_examples=EXAMPLES)
        def try_out(case):
            case.call_and_validate(checks=CHECKS, timeout=30)

        try_out()
        tried += 1
    assert tried >= 8
    assert server.client.get("/readyz").status_code == 200
