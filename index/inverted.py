"""Embeddings in lists around centroids, of which a search looks at a few; two layers of codes.

The inverted file with asymmetric distances of Jégou, Douze and Schmid, "Product quantization for nearest
neighbor search", TPAMI 2011, as FAISS has it. Embeddings are turned to their principal axes. FAISS's lists
hold the leading half of the numbers as bytes, less the list's centroid; that is what a search scans. The
second layer (`index.layers`) keeps the rest, and what the bytes lost; with it the best candidates are put
into their order. Of 128 numbers that is 64 + 77 bytes, beside 8 for the row's number in its list and 8 for
its place there: a glyph can be found again from its number.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadIndex
from index.kinds import NEIGHBOURS, Built, Kind, Tell, exact, held_out, recall
from index.layers import Layer, principal_axes
from index.lookup import Allowed
from index.vectors import FILE, Found

LAYER, CODES = "index.layer.npz", "index.codes.npy"
_LEADING = 2  # the part of the numbers that is scanned is one in so many
_STEPS = 19 / 16  # of the second layer, for each number
_ROW = 8  # bytes of a row's number in its list, and of its place there
_LISTS = 4  # times the root of how many embeddings there are
_OUTGROWN = 2**0.5  # times as many lists as were trained: there are about twice as many embeddings
_TRAINING = 64  # embeddings for each centroid, to train on
_SAMPLE = 100_000  # embeddings that axes and layers are trained on
_FEWEST = 1_000
_CHUNK = 50_000
_CANDIDATES = 4  # put into order for each neighbour asked for
_LEAST_CANDIDATES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Codes to go on with: no embedding is coded again, which would lose a little more of it each time.

    vectors: whose they are
    rows: (R,) which of them each embedding has; -1 for one that is to be coded as they were
    """

    vectors: InvertedVectors
    rows: NDArray[np.int64]


class InvertedVectors:
    """Lists of FAISS with a second layer; see `index.vectors.Vectors`."""

    few = 300

    def __init__(
        self,
        index: faiss.IndexIVFScalarQuantizer,
        axes: NDArray[np.float32],
        layer: Layer,
        codes: NDArray[np.uint8],
    ) -> None:
        """index: over the leading numbers of embeddings @ axes; how many lists are looked at is in it
        axes: (E, E); codes: (R, S / 2 + 1) uint8, the second layer of each row
        """
        self._index, self._axes, self._layer, self._codes = index, axes, layer, codes
        self._centroids = index.quantizer.reconstruct_n(0, index.nlist)
        # No method: a cache that knew `self` would keep an index in memory that nobody uses any more.
        self._populations = lru_cache(maxsize=64)(partial(_populations, index))

    @classmethod
    def build(
        cls,
        embeddings: NDArray[np.float32],
        families: Sequence[str],
        asked: Kind,
        asked_recall: float,
        tell: Tell,
        coded: Coded | None = None,
    ) -> tuple[InvertedVectors, Built]:
        """Of (R, E) unit embeddings and their families; looks at as few lists as the recall asked for takes.

        coded: what they join, if anything. As what is coded cannot tell what its codes have lost, no fewer
            lists are looked at than there

        Raises:
            BadIndex: they are too few for lists, or the recall is not reached however many are looked at.
        """
        count, dimension = embeddings.shape
        if count < _FEWEST:
            raise BadIndex(f"{count:,} references are too few for lists.", "Build it with --type flat.")
        withheld, asking = held_out(families)
        if coded is None:
            index, axes, layer = _trained(embeddings, tell)
            first = np.empty((count, index.sa_code_size()), np.uint8)
            codes = np.empty((count, layer.bytes), np.uint8)
            new, least = np.ones(count, bool), 1
        else:
            before = coded.vectors
            index, axes, layer = before._emptied(), before._axes, before._layer
            first, codes = before._stored()[coded.rows], before._codes[coded.rows]  # of -1 the last
            new, least = coded.rows < 0, before._index.nprobe

        later = []  # what is held out is added when the parameters have been chosen
        for start in range(0, count, _CHUNK):
            tell("coding", start, count)
            rows = np.arange(start, min(start + _CHUNK, count))
            if (anew := rows[new[rows]]).size:
                turned = embeddings[anew] @ axes
                first[anew] = _encoded(index, turned)
                codes[anew] = layer.encode(turned, turned - _first_layer(index, first[anew], dimension))
            now = ~np.isin(rows, withheld)
            later.append(first[rows[~now]])
            index.add_sa_codes(first[rows[now]], rows[now])
        made = cls(index, axes, layer, codes)
        tell("measuring recall", count, count)
        reached = made._tuned(embeddings, withheld, asking, asked_recall, least)
        index.add_sa_codes(np.concatenate(later), withheld)
        index.make_direct_map()
        return made, Built(
            asked=asked, kind=Kind.IVF, references=count, asked_recall=asked_recall, recall=reached,
            queries=len(asking), parameters={"lists": index.nlist, "probes": index.nprobe},
            bytes_per_reference=made._bytes() / count,
        )  # fmt: skip

    def _tuned(
        self,
        embeddings: NDArray[np.float32],
        withheld: NDArray[np.int64],
        asking: NDArray[np.int64],
        asked: float,
        least: int,
    ) -> float:
        """Set the fewest lists to look at that reach the recall asked for, and tell what they reach.

        least: so many are looked at whatever they reach
        """
        queries, others = embeddings[asking], np.delete(embeddings, withheld, axis=0)
        truth, _ = exact(queries, others, NEIGHBOURS)

        def reached(probes: int) -> float:
            self._index.nprobe = probes
            return recall(queries, embeddings, truth, self.search(queries, truth.shape[1])[1])

        most = self._index.nlist
        if (best := reached(most)) < asked:
            raise BadIndex(
                f"Lists find {best:.4f} of the nearest references at best, {asked} were asked for.",
                "Ask for less with --recall, or build the index with --type flat.",
            )
        few, enough = least - 1, most  # recall is too low at `few`, and high enough at `enough`
        while enough - few > 1:
            # Upwards by doubling, for looking at few lists is quick; then by halves.
            middle = min(max(1, 2 * few), (few + enough) // 2)
            if (found := reached(middle)) >= asked:
                enough, best = middle, found
            else:
                few = middle
        self._index.nprobe = enough
        return best

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def dimension(self) -> int:
        return len(self._axes)

    def outgrown(self, count: int) -> bool:
        """Whether so many embeddings are better put into lists of their own."""
        return _lists(count) > _OUTGROWN * len(self._centroids)

    def _emptied(self) -> faiss.IndexIVFScalarQuantizer:
        """The index with its centroids and ranges, but no embeddings; nothing of it is in a file."""
        index = _index(self._centroids.shape[1], self._index.nlist)
        index.quantizer.add(self._centroids)
        index.sq, index.is_trained = self._index.sq, True
        return index

    def _stored(self) -> NDArray[np.uint8]:
        """(R, C) first-layer codes of all rows, as of `_encoded`."""
        index, lists = self._index, self._index.invlists
        codes = np.empty((len(self), index.sa_code_size()), np.uint8)
        numbered = len(codes[0]) - index.code_size  # bytes of a list's number
        for number in range(index.nlist):
            if size := lists.list_size(number):
                rows = faiss.rev_swig_ptr(lists.get_ids(number), size)
                codes[rows, :numbered] = np.frombuffer(number.to_bytes(numbered, "little"), np.uint8)
                stored = faiss.rev_swig_ptr(lists.get_codes(number), size * index.code_size)
                codes[rows, numbered:] = stored.reshape(size, index.code_size)
        return codes

    def take(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        rows = np.arange(len(self)) if rows is None else rows
        stored = np.empty((len(rows), self.dimension), np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            turned = self._layer.decode(self._codes[part], self.dimension)
            turned[:, : self._index.d] += self._index.reconstruct_batch(part)
            turned *= self._layer.scales[self._codes[part, -1], None]
            stored[start : start + _CHUNK] = turned @ self._axes.T
        return stored

    def similar(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        turned = queries @ self._axes
        leading = turned[:, : self._index.d] @ self._index.reconstruct_batch(rows).T
        return self._layer.refined(leading, turned, self._codes[rows])

    def search(self, queries: NDArray[np.float32], k: int, allowed: Allowed | None = None) -> Found:
        turned = queries @ self._axes
        leading = np.ascontiguousarray(turned[:, : self._index.d])
        candidates = min(max(_CANDIDATES * k, _LEAST_CANDIDATES), len(self))
        if k < (allowed.count if allowed else len(self)):
            # Who asks for more neighbours than recall was measured with asks for some that are further away.
            probes = min(math.ceil(self._index.nprobe * max(1.0, k / NEIGHBOURS) ** 0.5), self._index.nlist)
        else:
            probes = self._index.nlist
        similarities, numbers = self._candidates(leading, candidates, probes, allowed)
        # Of the queries whose lists hold fewer than k, more are looked at.
        while probes < self._index.nlist and (short := np.flatnonzero(numbers[:, k - 1] < 0)).size:
            probes = min(2 * probes, self._index.nlist)
            similarities[short], numbers[short] = self._candidates(
                leading[short], candidates, probes, allowed
            )
        similarities[numbers < 0] = -2  # of no candidate; no code makes up for it
        similarities = self._layer.refined(similarities, turned, self._codes[numbers])
        order = np.argsort(-similarities, axis=1)[:, :k]
        return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(numbers, order, axis=1)

    def _candidates(
        self, leading: NDArray[np.float32], candidates: int, probes: int, allowed: Allowed | None
    ) -> Found:
        """So many for each query, as FAISS has them: best first, -1 where its lists hold no more."""
        if allowed is not None:
            return self._filtered(leading, candidates, probes, allowed)
        similarities, numbers = self._index.search(
            leading, candidates, params=faiss.SearchParametersIVF(nprobe=probes)
        )
        return similarities, numbers

    def _filtered(
        self, leading: NDArray[np.float32], candidates: int, probes: int, allowed: Allowed
    ) -> Found:
        """Candidates among the rows allowed: of the lists that have any, the nearest, until as many rows have
        been looked at as without a filter.
        """
        population = self._populations(allowed)
        similar = np.where(population > 0, leading @ self._centroids.T, -np.inf)
        order = np.argsort(-similar, axis=1)
        enough = probes * len(self) / self._index.nlist
        looked_at = np.cumsum(population[order], axis=1)
        wanted = max(probes, int((looked_at < enough).sum(axis=1).max()) + 1)
        order = order[:, :wanted]
        similar = np.take_along_axis(similar, order, axis=1)
        order[np.isneginf(similar)] = -1  # which FAISS passes over
        order, similar = np.ascontiguousarray(order), np.ascontiguousarray(similar)
        similarities = np.empty((len(leading), candidates), np.float32)
        numbers = np.empty((len(leading), candidates), np.int64)
        # FAISS's own wrapper of this function takes no parameters.
        self._index.search_preassigned_c(
            len(leading), faiss.swig_ptr(leading), candidates,
            faiss.swig_ptr(order), faiss.swig_ptr(similar),
            faiss.swig_ptr(similarities), faiss.swig_ptr(numbers), False,
            faiss.SearchParametersIVF(nprobe=order.shape[1], sel=faiss.IDSelectorBitmap(allowed.bits)),
        )  # fmt: skip
        return similarities, numbers

    def _bytes(self) -> int:
        """Of the files, and of the table from rows to their places."""
        each = int(self._index.code_size) + 2 * _ROW + self._codes.shape[1]
        return int(len(self) * each + self._centroids.nbytes + self._axes.nbytes)

    def save(self, folder: Path) -> None:
        # The table from rows to places is made anew in a moment wherever the index is loaded.
        self._index.set_direct_map_type(faiss.DirectMap.NoMap)
        faiss.write_index(self._index, str(folder / FILE))
        self._index.make_direct_map()
        np.save(folder / CODES, self._codes)
        layer = self._layer
        np.savez(
            folder / LAYER,
            axes=self._axes,
            axis=layer.axis,
            low=layer.low,
            width=layer.width,
            scales=layer.scales,
        )

    @classmethod
    def load(cls, index: faiss.IndexIVFScalarQuantizer, folder: Path) -> InvertedVectors:
        """What `save` wrote; `index` has been read from FILE.

        Raises:
            BadIndex: a file is missing, broken or does not fit the others.
        """
        try:
            with np.load(folder / LAYER, allow_pickle=False) as file:
                axes, layer = file["axes"], Layer(file["axis"], file["low"], file["width"], file["scales"])
            codes = np.load(folder / CODES, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadIndex(
                f"The second layer of the index of {folder} cannot be read: {error}.", "Build the index anew."
            ) from None
        if codes.shape != (index.ntotal, layer.bytes) or len(axes) // _LEADING != index.d:
            raise BadIndex(f"The layers of the index of {folder} do not fit.", "Build the index anew.")
        index.make_direct_map()
        return cls(index, axes, layer, codes)


def _lists(count: int) -> int:
    """How many lists so many embeddings are put into."""
    return min(round(_LISTS * math.sqrt(count)), count // 10)


def _index(dimension: int, lists: int) -> faiss.IndexIVFScalarQuantizer:
    return faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists,
        faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT,
    )  # fmt: skip


def _trained(
    embeddings: NDArray[np.float32], tell: Tell
) -> tuple[faiss.IndexIVFScalarQuantizer, NDArray[np.float32], Layer]:
    """An empty index, axes and second layer for (R, E) embeddings, from a sample of them."""
    count, dimension = embeddings.shape
    lists = _lists(count)
    tell(f"training {lists:,} lists", 0, count)
    sample = embeddings[np.random.default_rng(1).permutation(count)[: max(_SAMPLE, _TRAINING * lists)]]
    axes = principal_axes(sample)
    turned = sample @ axes
    index = _index(dimension // _LEADING, lists)
    # Wide enough for the rare glyph that is far from all centroids: no layer brings back what is clipped.
    index.sq.rangestat, index.sq.rangestat_arg = faiss.ScalarQuantizer.RS_meanstd, 8.0
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _TRAINING
    index.train(np.ascontiguousarray(turned[:, : index.d]))
    turned = turned[:_SAMPLE]
    left = turned - _first_layer(index, _encoded(index, turned), dimension)
    return index, axes, Layer.trained(turned, left, 2 * round(_STEPS * dimension / 2))


def _encoded(index: faiss.IndexIVFScalarQuantizer, turned: NDArray[np.float32]) -> NDArray[np.uint8]:
    """First-layer codes of (N, E) turned embeddings, with the numbers of their lists."""
    codes: NDArray[np.uint8] = index.sa_encode(np.ascontiguousarray(turned[:, : index.d]))
    return codes


def _first_layer(
    index: faiss.IndexIVFScalarQuantizer, codes: NDArray[np.uint8], dimension: int
) -> NDArray[np.float32]:
    """(N, dimension) what first-layer codes stand for; nothing of the numbers that are not leading."""
    found = np.zeros((len(codes), dimension), np.float32)
    found[:, : index.d] = index.sa_decode(codes)
    return found


def _populations(index: faiss.IndexIVFScalarQuantizer, allowed: Allowed) -> NDArray[np.int64]:
    """(lists,) how many of the rows allowed each list has."""
    places = faiss.rev_swig_ptr(index.direct_map.array.data(), index.ntotal)
    lists = places[allowed.mask(index.ntotal)] >> 32  # FAISS's `lo_listno`
    return np.bincount(lists, minlength=index.nlist)
