from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from bundles import default_bundle
from documents.repair import _WEIGHED, ReadDocumentFont, _commonest, read_fonts
from documents.sandbox import Reader
from glyphs.to_unicode import cmap
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import Recogniser
from tests.documents.printing import KINDS, SHOWN, silent_pdf

LINES = ["Sphinx of black quartz, judge my vow.", "In Illinois they paid 1098 for 10 hills."]


class Repairing:
    """A reader and a model that wait for documents."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._recogniser = Recogniser(Bundle.load(default_bundle()))
        self._candidates = Candidates(self._recogniser.bundle, prior=Prior.TEXT)

    def read(self, path: Path, *, everything: bool = False) -> list[ReadDocumentFont]:
        text, fonts = self._reader.read(path.read_bytes(), self._recogniser.bundle.manifest.raster)
        return read_fonts(text, fonts, self._recogniser.answer, self._candidates, everything=everything)

    def said(self, path: Path, *, everything: bool = False) -> str:
        """The text of a document, once it is repaired, as people copy it."""
        read = self.read(path, everything=everything)
        path.write_bytes(self._reader.written({one.font.number: one.texts() for one in read}))
        return copied(path)


def copied(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return " ".join(document[0].get_textpage().get_text_range().split())


@pytest.fixture(scope="module")
def repairing() -> Iterator[Repairing]:
    with Reader() as reader:
        yield Repairing(reader)


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_text_is_copied_as_it_is_seen(
    repairing: Repairing, kind: str, spaces: bool, font_dir: Path, tmp_path: Path
) -> None:
    font = font_dir / ("mono.otf" if "CFF" in kind else "sans.ttf")
    path = silent_pdf(tmp_path / "a.pdf", kind, font, LINES, spaces=spaces)
    assert copied(path) != " ".join(LINES)
    assert repairing.said(path) == " ".join(LINES)


@pytest.mark.parametrize(
    "broken",
    [(b"/Type /Page ", b"/Tipe /Page "), (b"/Identity-H", b"/Identity-V"), (b"startxref", b"starting.")],
)
def test_what_viewers_show_is_repaired(
    repairing: Repairing, broken: tuple[bytes, bytes], font_dir: Path, tmp_path: Path
) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", LINES)
    assert broken[0] in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(*broken))
    repaired = repairing.said(path)
    assert repaired.replace(" ", "") == "".join(LINES).replace(
        " ", ""
    )  # from the top, lines have none between


def test_scripts_that_share_a_font_are_told_apart_word_by_word(
    repairing: Repairing, font_dir: Path, tmp_path: Path
) -> None:
    path = shutil.copy(font_dir.parent / "silent.pdf", tmp_path / "a.pdf")
    assert repairing.said(path) == " ".join(SHOWN)


def test_what_a_document_says_is_kept_and_told_where_pictures_contradict_it(
    repairing: Repairing, font_dir: Path, tmp_path: Path
) -> None:
    path = silent_pdf(
        tmp_path / "a.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", ["whole", "words"]
    )
    [silent] = repairing.read(path)
    places = {code.text: code.drawn.code for code in silent.codes}
    assert (silent.repaired, silent.contradicted, silent.unknown) == (len(set("wholewords")), 0, 0)
    lies = {"w": "q", "h": "h", "o": "x", "l": "\ue001", "e": "\N{GREEK SMALL LETTER EPSILON}"}
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        font = document.pages[0].Resources.Font.F
        font.ToUnicode = document.make_stream(cmap((places[one], lie) for one, lie in lies.items()).encode())
        document.save()
    [read] = repairing.read(path)
    found = {code.drawn.code: code for code in read.codes}
    assert [one for one in places if found[places[one]].contradicted] == sorted("wo" + "e", key=places.get)
    assert {one: found[places[one]].text for one in "whold"} == {
        "w": "q",
        "h": "h",
        "o": "x",
        "l": "l",
        "d": "d",
    }
    assert found[places["l"]].silent  # private use says nothing
    assert read.repaired == len("lrds")
    assert repairing.said(path, everything=True) == "whole words"


def test_a_document_without_text_has_no_fonts(repairing: Repairing, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with pikepdf.new() as document:
        document.add_blank_page()
        document.save(path)
    assert repairing.read(path) == []


def test_no_more_words_are_weighed_than_fit_and_the_commonest_are() -> None:
    a, b, c = (5, 1), (5, 2), (5, 3)
    long, half = (a,) * (_WEIGHED + 1), (b,) * (_WEIGHED // 2)
    words = Counter({long: 9, (a, b): 1, half: 2, (*half, b): 3, (c,): 4})
    assert [count for _, count in _commonest(words)] == [4, 3, 1]
    assert len(list(_commonest(Counter({(a, b): 2, (c,): 1})))) == 2
