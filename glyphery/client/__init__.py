"""A client of the service, blocking (`Client`) or for asyncio (`AsyncClient`); their methods are alike.

    with Client("http://localhost:8000") as client:
        print(client.classify(Path("glyph.png")).best.label)

    with Client() as client:
        job = client.wait(client.score_fonts(["Amiri-Regular.ttf"]))
        Path("report.html").write_bytes(client.report(job, "html"))

What is refused for the moment (429, 503), or does not get through, is asked again a few times, as late
as the service wishes. Batches go out in requests of some hundred pictures, of which the first answers
come as soon as the last picture is sent; such a request, too, is repeated until its first answer is there.
What is not to be done twice (`score_fonts`, `cancel`) is not asked again once the service may have heard it.
"""

from __future__ import annotations

from glyphery.client.awaiting import AsyncClient
from glyphery.client.blocking import Client
from glyphery.client.records import (
    Context,
    DocumentCode,
    DocumentFont,
    Glyph,
    IdentifiedFace,
    IdentifiedFont,
    IdentifiedGlyph,
    Job,
    Model,
    Neighbour,
    Prediction,
    Recognition,
    RepairedDocument,
    Search,
    ServedModel,
    ServiceError,
)

__all__ = [
    "AsyncClient", "Client", "Context", "DocumentCode", "DocumentFont", "Glyph", "IdentifiedFace",
    "IdentifiedFont", "IdentifiedGlyph", "Job", "Model", "Neighbour", "Prediction", "Recognition",
    "RepairedDocument", "Search", "ServedModel", "ServiceError",
]  # fmt: skip
