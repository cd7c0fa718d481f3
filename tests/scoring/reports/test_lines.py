"""JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scoring.reports.lines import COLUMNS, Csv, JsonLines
from scoring.verdicts import FontScore, record
from tests.scoring.records import face, font, found, scores, small_font, verdict


def lines(*fonts: FontScore) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.jsonl"
        with JsonLines(file) as report:
            for score in fonts:
                report.add(score)
        return [json.loads(line) for line in file.read_bytes().decode().split("\n")[:-1]]


def table(*fonts: FontScore) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.csv"
        with Csv(file) as report:
            for score in fonts:
                report.add(score)
        return list(csv.reader(io.StringIO(file.read_bytes().decode(), newline=""), strict=True))


@given(st.lists(scores(), max_size=2))
def test_every_glyph_and_every_finding_of_a_whole_has_its_line(fonts: list[FontScore]) -> None:
    told = lines(*fonts)
    wholes = [finding for score in fonts for finding in score.findings]
    wholes += [finding for score in fonts for face in score.faces for finding in face.findings]
    glyphs = [json.loads(json.dumps(record(score, face, one))) for score in fonts for face in score.faces
              for one in face.glyphs]  # fmt: skip
    assert [line for line in told if line["codepoint"]] == glyphs
    assert len(told) == len(glyphs) + len(wholes)


def test_a_face_and_a_file_are_told_by_lines_without_a_glyph() -> None:
    score = font(face(findings=(found("decorative"),)), findings=(found("readable", accepted=True),))
    file, of_face = lines(score)
    assert (file["family"], file["check"], file["status"]) == (None, "readable", "PASS")
    assert (of_face["family"], of_face["check"], of_face["status"]) == ("Test", "decorative", "WARN")


@given(scores())
def test_a_csv_reader_finds_the_same_values_in_the_table(score: FontScore) -> None:
    header, *rows = table(score)
    assert tuple(header) == COLUMNS
    for row, line in zip(rows, lines(score), strict=True):
        values = dict(zip(header, row, strict=True))
        for column in ("font", "family", "style", "glyph", "codepoint", "form", "status", "check", "message"):
            # csv has no way to tell nothing from an empty text, nor UTF-8 one to write a lone surrogate
            assert values[column] == str(line[column] or "").encode(errors="backslashreplace").decode()


def test_the_likeliest_labels_are_text_in_the_table() -> None:
    header, *rows = table(small_font())
    top = [row[header.index("top")] for row in rows]
    assert top[:2] == ["65:0.9900 81:0.0040", "90:0.9700 81:0.0040"]


def test_lines_of_the_table_end_as_the_standard_says() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.csv"
        with Csv(file) as report:
            report.add(font(face(verdict("A"), verdict('"'))))
        assert file.read_bytes().count(b"\r\n") == file.read_bytes().count(b"\n") == 3
