"""Search: /similar end to end beside the same work in process, and with more and more callers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np

from benchmarks.serving import subjects, wire
from benchmarks.serving.asked import Asked
from benchmarks.serving.catalogue import CORES
from benchmarks.serving.peers.work import session
from benchmarks.serving.servers import NotMeasured, running
from benchmarks.serving.statistics import Figures, percentiles
from benchmarks.serving.subjects import Questions
from benchmarks.serving.workshop import Workshop, alone
from glyphs.picture import read_picture
from index.search import FILE, ReferenceIndex
from recognition.bundle import EMBEDDING, IMAGE, METRICS, Bundle, in_precision, seal
from recognition.recogniser import Recogniser

CALLERS = (1, 2, 4, 8, 16, 32, 64)
_K = 10
_JITTER = 0.005  # of a repeated reference, a coordinate, before it is brought to length 1 again
_CLEAR = 0.002  # by which the nearest label must be nearer than the next


def similar(asked: Asked, workshop: Workshop) -> Figures:
    """Raises NotMeasured where the bundle has no index."""
    if not asked.bundle.has(FILE):
        raise NotMeasured("The bundle has no index.")
    with TemporaryDirectory(dir=workshop.folder) as scratch:
        bundle = padded(asked.bundle, Path(scratch) / "bundle", workshop.extent.references)
        return _similar(bundle, asked, workshop)


def padded(bundle: Bundle, folder: Path, references: int) -> Bundle:
    """A copy of the bundle with so many references: its own, and again with some noise."""
    index = ReferenceIndex.load(bundle.path)
    shutil.copytree(bundle.path, folder)
    rows = np.arange(references) % len(index.references)
    embeddings = index.embeddings[rows]
    again = embeddings[len(index.references) :]
    again += np.random.default_rng(0).normal(0, _JITTER, again.shape).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    whole = Bundle.load(folder).manifest
    ReferenceIndex.build(embeddings, index.references.take(rows.tolist())).save(folder)
    seal(folder, whole)
    return Bundle.load(in_precision(folder, bundle.variant))


def _similar(bundle: Bundle, asked: Asked, workshop: Workshop) -> Figures:
    questions = _questions(bundle, asked)
    extent, generator = workshop.extent, workshop.generator
    rounds = []
    for _ in range(extent.repeats):
        in_process = [
            alone(in_process_search, bundle.address, asked.pictures, threads, extent.seconds)
            for threads in dict.fromkeys((1, CORES))
        ]
        with running(
            subjects.serving([bundle.address], questions.requests[0]), workshop.log("similar")
        ) as server:
            generator.run(questions.load(server, seconds=extent.warm_up))
            served = {
                str(callers): questions.measured(generator, server, seconds=extent.seconds, callers=callers)
                for callers in CALLERS
            }
        rounds.append({"in_process": min(in_process, key=lambda of: of["p50"]), "served": served})
    return {"references": extent.references, "rounds": rounds}


def _questions(bundle: Bundle, asked: Asked) -> Questions:
    """The pictures whose nearest reference is of one label beyond doubt."""
    embeddings = Recogniser(bundle, threads=0).answer(asked.rasters).embeddings
    found = ReferenceIndex.load(bundle.path).search(embeddings, 100)
    clear, labels = [], []
    for row, neighbours in enumerate(found):
        first = neighbours[0]
        other = next((n for n in neighbours if n.reference.label != first.reference.label), None)
        if other is None or first.similarity - other.similarity > _CLEAR:
            clear.append(row)
            labels.append([str(first.reference.label)])
    return Questions(
        name="/similar",
        requests=tuple(wire.picture(f"/similar?k={_K}", asked.pictures[row]) for row in clear),
        expected=labels,
        read=wire.best_neighbour,
    )


def in_process_search(bundle: Path, pictures: Sequence[bytes], threads: int, seconds: float) -> Figures:
    """One picture after the other: read, embedded, and searched for by a single thread of FAISS."""
    faiss.omp_set_num_threads(1)
    loaded = Bundle.load(bundle)
    index = faiss.read_index(str(loaded.path / FILE))
    settings, model = loaded.manifest.raster, session(loaded.model, threads)
    unknown = np.full((1, 4), np.nan, np.float32)

    def search(picture: bytes) -> None:
        raster = read_picture(picture, settings)
        [embedding] = model.run([EMBEDDING], {IMAGE: raster[None, None], METRICS: unknown})
        index.search(embedding, _K)

    search(pictures[0])
    taken: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + seconds:
        search(pictures[len(taken) % len(pictures)])
        taken.append(1000 * (time.perf_counter() - start))
    return {"threads": threads, "rate": len(taken) / (time.perf_counter() - began), **percentiles(taken)}
