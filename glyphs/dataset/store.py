"""The dataset file `glyphs.db`: fonts, labels, shapes, and glyphs that join them; SQLite.

Self-contained: outlines are stored, so neither training nor evaluation needs a font file again.
A shape (an outline, or an imported raster as PNG) is stored once however many glyphs use it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.outline import outline_hash
from glyphs.splits import Split

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE families (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, split TEXT,
    excluded TEXT  -- the reason why its glyphs are not used, or NULL
);
CREATE TABLE fonts (
    id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, face INTEGER NOT NULL, instance INTEGER NOT NULL,
    file TEXT NOT NULL, family INTEGER NOT NULL REFERENCES families, style TEXT NOT NULL,
    licence TEXT NOT NULL, units_per_em INTEGER NOT NULL, broken_glyphs INTEGER NOT NULL,
    UNIQUE (sha256, face, instance)
);
CREATE TABLE rejects (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, codepoint INTEGER NOT NULL, form TEXT NOT NULL,
    script TEXT NOT NULL, char_class TEXT NOT NULL, contrastive_group TEXT NOT NULL
);
CREATE TABLE shapes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE glyphs (
    font INTEGER NOT NULL REFERENCES fonts, label INTEGER NOT NULL REFERENCES labels,
    shape INTEGER NOT NULL REFERENCES shapes,
    width REAL, height REAL, bottom REAL, advance REAL,  -- em; NULL where unknown
    PRIMARY KEY (font, label)
) WITHOUT ROWID;
"""
OUTLINE, RASTER = "outline", "raster"


@dataclass(frozen=True, slots=True)
class FontRecord:
    """A row of `fonts`, by name."""

    sha256: str
    face: int
    instance: int
    file: str
    family: str
    style: str
    licence: str
    units_per_em: int
    broken_glyphs: int


@dataclass(frozen=True, slots=True)
class GlyphRecord:
    """A glyph on its way into the dataset; metrics in em (width, height, bottom, advance) or NaN."""

    label: Label
    kind: str
    data: bytes
    metrics: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class GlyphTable:
    """Columns of G glyphs, sorted by (font, label); ids are those of the database.

    font, label, shape, family: (G,) int32; metrics: (G, 4) float32, NaN where unknown
    """

    font: NDArray[np.int32]
    label: NDArray[np.int32]
    shape: NDArray[np.int32]
    family: NDArray[np.int32]
    metrics: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.font)

    def take(self, rows: NDArray[Any]) -> GlyphTable:
        """The rows of a mask or of indices."""
        return GlyphTable(*(getattr(self, name)[rows] for name in self.__slots__))

    def some(self, count: int, *columns: str, seed: int = 0) -> GlyphTable:
        """At most `count` glyphs, drawn at random, of each combination of values of the columns."""
        keys = np.stack([getattr(self, name) for name in columns])
        order = np.lexsort((np.random.default_rng(seed).random(len(self)), *keys))
        starts = np.flatnonzero(np.r_[True, (np.diff(keys[:, order]) != 0).any(axis=0)])
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
        return self.take(np.sort(order[rank < count]))

    def spread(self, per_label: int, seed: int = 0) -> GlyphTable:
        """Up to `per_label` glyphs of each label, every one of another family; those of a label in a row."""
        table = self.some(1, "label", "family", seed=seed).some(per_label, "label", seed=seed + 1)
        return table.take(np.argsort(table.label, kind="stable"))


class Dataset:
    """An open dataset. Use as a context manager, or `close()` it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open a dataset for writing, making it where there is none.

        Raises:
            BadDataset: the file is something else.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset = cls._connect(path, f"{path.absolute().as_uri()}?mode=rwc")
        db = dataset._db
        try:
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.executescript(_SCHEMA)
                db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
                db.commit()
        except sqlite3.Error as error:
            raise BadDataset(f"{path} cannot be written: {error}.") from None
        dataset._check()
        # A dataset that lost power half way is built again, which the missing 'complete' mark asks for.
        db.execute("PRAGMA synchronous = OFF")
        return dataset

    @classmethod
    @contextmanager
    def beside(cls, out: Path) -> Iterator[Self]:
        """A dataset for writing that takes the place of `out` if the block ends well, else leaves nothing.

        Raises:
            BadDataset: it cannot be written.
        """
        part = out.with_name(out.name + ".part")
        part.unlink(missing_ok=True)
        try:
            with cls.create(part) as dataset:
                yield dataset
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a finished dataset for reading.

        Raises:
            BadDataset: there is none, it is no dataset, or its building was interrupted.
        """
        if not path.is_file():
            raise BadDataset(f"There is no dataset at {path}.", "Make one with `glyphery dataset build`.")
        dataset = cls._connect(path, f"{path.absolute().as_uri()}?mode=ro")
        dataset._check()
        if dataset.meta("complete") is None:
            dataset.close()
            raise BadDataset(
                f"{path} is unfinished.", "Run the same `glyphery dataset build` again to finish it."
            )
        return dataset

    @classmethod
    def _connect(cls, path: Path, uri: str) -> Self:
        try:
            return cls(sqlite3.connect(uri, uri=True), path)
        except sqlite3.Error as error:
            raise BadDataset(f"{path} cannot be opened: {error}.") from None

    def _check(self) -> None:
        try:
            version = self.meta("schema")
        except sqlite3.Error as error:
            raise BadDataset(f"{self.path} is no Glyphery dataset: {error}.") from None
        if version != str(SCHEMA_VERSION):
            raise BadDataset(
                f"{self.path} has schema {version}, this version reads {SCHEMA_VERSION}.", "Build it anew."
            )

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or none of it."""
        with self._db:
            yield

    # --- writing -----------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def shape_ids(self) -> dict[bytes, int]:
        """Hash -> id of every shape stored so far."""
        return {
            bytes(digest): identifier
            for digest, identifier in self._db.execute("SELECT hash, id FROM shapes")
        }

    def label_ids(self) -> dict[Label, int]:
        return {
            Label.parse(text): identifier
            for text, identifier in self._db.execute("SELECT label, id FROM labels")
        }

    def add_font(
        self,
        font: FontRecord,
        glyphs: Sequence[GlyphRecord],
        shape_ids: dict[bytes, int],
        label_ids: dict[Label, int],
    ) -> None:
        """Add a font and its glyphs; the two dictionaries are brought up to date."""
        db = self._db
        db.execute("INSERT OR IGNORE INTO families (name) VALUES (?)", (font.family,))
        (family,) = db.execute("SELECT id FROM families WHERE name = ?", (font.family,)).fetchone()
        cursor = db.execute(
            "INSERT INTO fonts"
            " (sha256, face, instance, file, family, style, licence, units_per_em, broken_glyphs)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (font.sha256, font.face, font.instance, font.file, family, font.style, font.licence,
             font.units_per_em, font.broken_glyphs),
        )  # fmt: skip
        # A dataset that is a part of another has gaps in its numbers.
        next_shape, next_label = (
            db.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {name}").fetchone()[0]
            for name in ("shapes", "labels")
        )
        new_shapes: list[tuple[Any, ...]] = []
        new_labels: list[tuple[Any, ...]] = []
        rows = []
        for glyph in glyphs:
            digest = outline_hash(glyph.data)
            if digest not in shape_ids:
                shape_ids[digest] = next_shape + len(new_shapes)
                new_shapes.append((shape_ids[digest], glyph.kind, digest, glyph.data))
            if glyph.label not in label_ids:
                label_ids[glyph.label] = next_label + len(new_labels)
                of, label = glyph.label.character, glyph.label
                new_labels.append(
                    (label_ids[label], str(label), label.codepoint, str(label.form), of.script, of.char_class,
                     label.contrastive_group)
                )  # fmt: skip
            rows.append((cursor.lastrowid, label_ids[glyph.label], shape_ids[digest], *glyph.metrics))
        db.executemany("INSERT INTO shapes VALUES (?,?,?,?)", new_shapes)
        db.executemany("INSERT INTO labels VALUES (?,?,?,?,?,?,?)", new_labels)
        db.executemany("INSERT INTO glyphs VALUES (?,?,?,?,?,?,?)", rows)

    def reject(self, file: str, digest: str, reason: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO rejects VALUES (?,?,?)", (file, digest, reason))

    def accept(self, file: str) -> None:
        """Take back that a file was rejected."""
        self._db.execute("DELETE FROM rejects WHERE file = ?", (file,))

    def set_splits(self, splits: dict[str, Split]) -> None:
        self._db.executemany(
            "UPDATE families SET split = ? WHERE name = ?",
            [(str(split), name) for name, split in splits.items()],
        )

    def exclude(self, reasons: dict[str, str]) -> None:
        """Set why each named family is not used; every other family is used."""
        self._db.execute("UPDATE families SET excluded = NULL")
        self._db.executemany(
            "UPDATE families SET excluded = ? WHERE name = ?", [(why, name) for name, why in reasons.items()]
        )

    def copy(self, out: Path, table: GlyphTable) -> None:
        """Write a finished dataset of these glyphs alone, with all families and their splits.

        Raises:
            BadDataset: `out` is there already, or cannot be written.
        """
        if out.exists():
            raise BadDataset(f"{out} is there already.", "Choose another place, or remove it.")
        with Dataset.beside(out) as copied, closing(copied._db.cursor()) as cursor:
            try:
                cursor.execute("ATTACH ? AS source", (str(self.path),))
                cursor.execute(
                    "CREATE TEMP TABLE kept (font INTEGER, label INTEGER, PRIMARY KEY (font, label))"
                )
                cursor.executemany(
                    "INSERT INTO kept VALUES (?, ?)",
                    zip(table.font.tolist(), table.label.tolist(), strict=True),
                )
                for name in ("families", "fonts", "labels"):
                    cursor.execute(f"INSERT INTO {name} SELECT * FROM source.{name}")
                cursor.execute("INSERT INTO glyphs SELECT * FROM source.glyphs NATURAL JOIN kept")
                cursor.execute(
                    "INSERT INTO shapes SELECT * FROM source.shapes WHERE id IN (SELECT shape FROM glyphs)"
                )
                cursor.execute("DELETE FROM fonts WHERE id NOT IN (SELECT font FROM glyphs)")
                cursor.execute("DELETE FROM labels WHERE id NOT IN (SELECT label FROM glyphs)")
                copied.set_meta("digest", copied.content_digest())
                copied.set_meta("complete", "1")
                copied._db.commit()
            except sqlite3.Error as error:
                raise BadDataset(f"{out} cannot be written: {error}.") from None

    # --- reading -----------------------------------------------------------------------------

    def known_files(self) -> dict[str, str | None]:
        """SHA-256 of every file already read -> why it was rejected, or None where it was taken."""
        return dict(
            self._db.execute("SELECT sha256, NULL FROM fonts UNION SELECT sha256, reason FROM rejects")
        )

    def rejects(self) -> list[tuple[str, str]]:
        return self._db.execute("SELECT file, reason FROM rejects ORDER BY file").fetchall()

    def families(self) -> list[tuple[int, str, Split, str | None]]:
        """(id, name, split, reason of exclusion or None), by name."""
        rows = self._db.execute("SELECT id, name, split, excluded FROM families ORDER BY name")
        return [
            (identifier, name, Split(split or "train"), excluded)
            for identifier, name, split, excluded in rows
        ]

    def fonts(self) -> dict[int, tuple[str, str]]:
        """Font id -> (family, style)."""
        query = "SELECT fonts.id, families.name, style FROM fonts JOIN families ON families.id = fonts.family"
        return {identifier: (family, style) for identifier, family, style in self._db.execute(query)}

    def labels(self) -> dict[int, Label]:
        return {identifier: label for label, identifier in self.label_ids().items()}

    def places(self, labels: Sequence[Label]) -> NDArray[np.int64]:
        """Label id -> place among `labels`, or -1: how a table's column becomes a model's classes."""
        ids = self.label_ids()
        places = np.full(max(ids.values(), default=0) + 1, -1, np.int64)
        for place, label in enumerate(labels):
            if label in ids:
                places[ids[label]] = place
        return places

    def shapes_by_family(self) -> dict[str, set[int]]:
        query = """SELECT families.name, shape FROM (
            SELECT DISTINCT fonts.family AS family, shape FROM glyphs JOIN fonts ON fonts.id = glyphs.font
        ) JOIN families ON families.id = family"""
        found: dict[str, set[int]] = {}
        for family, shape in self._db.execute(query):
            found.setdefault(family, set()).add(shape)
        return found

    def table(self, split: Split | None = None, *, excluded: bool = False) -> GlyphTable:
        """Glyphs of one split (or all), without those of excluded families unless asked for.

        Glyphs of validation and test families whose very outline a training family also has are
        left out: duplicates never cross the split.
        """
        where = "WHERE 1" if excluded else "WHERE families.excluded IS NULL"
        if split is not None:
            where += f" AND families.split = '{split}'"
        if split in (Split.VALIDATION, Split.TEST):
            where += """ AND shape NOT IN (
                SELECT shape FROM glyphs JOIN fonts ON fonts.id = glyphs.font
                JOIN families ON families.id = fonts.family WHERE families.split = 'train')"""
        query = f"""SELECT glyphs.font, label, shape, fonts.family, width, height, bottom, advance
            FROM glyphs JOIN fonts ON fonts.id = glyphs.font JOIN families ON families.id = fonts.family
            {where} ORDER BY glyphs.font, label"""
        # NULL metrics become NaN in the float column.
        columns = np.array(self._db.execute(query).fetchall(), dtype=np.float64).reshape(-1, 8)
        whole = columns[:, :4].astype(np.int32)
        return GlyphTable(
            whole[:, 0], whole[:, 1], whole[:, 2], whole[:, 3], columns[:, 4:].astype(np.float32)
        )

    def shape_data(self, ids: Iterable[int]) -> Iterator[tuple[int, str, bytes]]:
        """(id, kind, data) of the shapes asked for, in order of id."""
        wanted = sorted(set(map(int, ids)))  # SQLite finds nothing for numpy's integers, without a word
        for start in range(0, len(wanted), 10_000):
            chunk = wanted[start : start + 10_000]
            # A range scan with a filter in Python beats ten thousand bound parameters.
            keep = set(chunk)
            query = "SELECT id, kind, data FROM shapes WHERE id BETWEEN ? AND ? ORDER BY id"
            for identifier, kind, data in self._db.execute(query, (chunk[0], chunk[-1])):
                if identifier in keep:
                    yield identifier, kind, data

    @property
    def digest(self) -> str:
        """`content_digest()` as it was when the dataset was finished."""
        return self.meta("digest") or ""

    def content_digest(self) -> str:
        """SHA-256 of the content, equal for datasets built from the same fonts."""
        total = sha256()
        query = """SELECT
                fonts.sha256, face, instance, labels.label, shapes.hash, width, height, bottom, advance
            FROM glyphs JOIN fonts ON fonts.id = glyphs.font JOIN labels ON labels.id = glyphs.label
            JOIN shapes ON shapes.id = glyphs.shape ORDER BY 1, 2, 3, 4"""
        for row in self._db.execute(query):
            total.update(repr(row).encode())
        for row in self._db.execute("SELECT name, split, excluded FROM families ORDER BY name"):
            total.update(repr(row).encode())
        return total.hexdigest()

    def count(self, rows: str) -> int:
        """How many rows a table has, or meet a condition: `count("labels WHERE form != ''")`."""
        return int(self._db.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])

    def summary(self) -> dict[str, Any]:
        """Counts, over all and by script and by character class (glyphs, labels, families)."""

        def by(column: str) -> list[dict[str, Any]]:
            query = f"""SELECT {column}, count(*), count(DISTINCT labels.id), count(DISTINCT fonts.family)
                FROM glyphs JOIN labels ON labels.id = glyphs.label JOIN fonts ON fonts.id = glyphs.font
                GROUP BY {column} ORDER BY 2 DESC, 1"""
            names = (column, "glyphs", "labels", "families")
            return [dict(zip(names, row, strict=True)) for row in self._db.execute(query)]

        return {
            "glyphs": self.count("glyphs"),
            "shapes": self.count("shapes"),
            "labels": self.count("labels"),
            "positional": self.count("labels WHERE script = 'Arab' AND form != ''"),
            "fonts": self.count("fonts"),
            "families": self.count("families"),
            "excluded": self.count("families WHERE excluded IS NOT NULL"),
            "rejected": self.count("rejects"),
            "splits": dict(
                self._db.execute(
                    """SELECT split, count(*) FROM families WHERE excluded IS NULL
                    GROUP BY split ORDER BY split"""
                )
            ),
            "scripts": by("script"),
            "classes": by("char_class"),
        }
