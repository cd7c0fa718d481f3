"""Documents as viewers show them, whatever is wrong with their files, and all that is on them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Dictionary, Name, ObjectStreamMode

from documents.fonts import draw_fonts
from documents.objects import is_signed
from documents.text import read_text
from glyphs.raster import RasterSettings
from tests.documents.printing import sign, silent_pdf

SETTINGS = RasterSettings(64, 56)


@pytest.fixture(scope="module")
def document(font_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("document") / "a.pdf"
    kind = "TrueType by glyph indices"
    return silent_pdf(path, kind, font_dir / "sans.ttf", ["to be", "or not"]).read_bytes()


def _edited(
    document: bytes,
    edit: Callable[[pikepdf.Pdf], None],
    packed: ObjectStreamMode = ObjectStreamMode.preserve,
) -> bytes:
    held = io.BytesIO()
    with pikepdf.open(io.BytesIO(document)) as opened:
        edit(opened)
        opened.save(held, object_stream_mode=packed)
    return held.getvalue()


def _without_a_start(document: bytes) -> bytes:
    return document[: document.rindex(b"startxref")]


def _with_a_start_elsewhere(document: bytes) -> bytes:
    return document.replace(b"startxref\n", b"startxref\n9")


def _with_pages_of_no_type(document: bytes) -> bytes:
    return re.sub(rb"/Type /Page(?!s)", b"/Tipe /Page", document)


@pytest.mark.parametrize("broken", [_without_a_start, _with_a_start_elsewhere, _with_pages_of_no_type])
def test_files_that_viewers_put_up_with_are_read(document: bytes, broken: Callable[[bytes], bytes]) -> None:
    assert broken(document) != document
    found = read_text(broken(document))
    assert replace(found, damaged=False) == read_text(document)


def test_files_whose_objects_are_packed_are_read_without_a_table(document: bytes) -> None:
    packed = _edited(document, lambda _: None, ObjectStreamMode.generate)
    broken = _with_a_start_elsewhere(packed)
    assert broken != packed
    found = read_text(broken)
    assert found.damaged
    assert replace(found, damaged=False) == read_text(packed)


def test_fonts_of_a_later_generation_are_drawn(document: bytes) -> None:
    [number] = read_text(document).advances_by_font()
    begin = document.index(b"\n%d 0 obj" % number) + 1
    later = (
        document.replace(b"\n%d 0 obj" % number, b"\n%d 7 obj" % number)
        .replace(b" %d 0 R" % number, b" %d 7 R" % number)
        .replace(b"%010d 00000 n" % begin, b"%010d 00007 n" % begin)
    )
    used = read_text(later).advances_by_font()
    assert list(used) == [number]
    with pikepdf.open(io.BytesIO(later)) as opened:
        assert opened.pages[0].Resources.Font.F.objgen == (number, 7)
        [font] = draw_fonts(opened, used, SETTINGS)
    assert (font.obstacle, len(font.codes)) == ("", len(set("to be or not")))


def _a_note(document: pikepdf.Pdf, look: dict[str, Any], content: bytes) -> None:
    on = document.make_stream(content, look)
    note = Dictionary(Type=Name.Annot, Subtype=Name.FreeText, Rect=[0, 0, 9, 9])
    note.AP = Dictionary(N=on, D=Dictionary(On=on, Off=document.make_stream(b"")))
    document.pages[0].Annots = [document.make_indirect(note)]


def _a_pattern(document: pikepdf.Pdf, look: dict[str, Any], content: bytes) -> None:
    tiles = {"/PatternType": 1, "/PaintType": 1, "/TilingType": 1, "/XStep": 9, "/YStep": 9}
    tile = document.make_stream(content, look | tiles)
    page = document.pages[0]
    page.Resources = Dictionary(Pattern=Dictionary(P=tile))
    page.Contents = document.make_stream(b"/Pattern cs /P scn 0 0 60 60 re f")


def _a_form_in_a_form(document: pikepdf.Pdf, look: dict[str, Any], content: bytes) -> None:
    form = look | {"/Subtype": Name.Form}
    inner, outer = document.make_stream(content, form), document.make_stream(b"/X Do", form)
    outer.Resources = Dictionary(XObject=Dictionary(X=inner))
    page = document.pages[0]
    page.Resources = Dictionary(XObject=Dictionary(X=outer))
    page.Contents = document.make_stream(b"/X Do")


@pytest.mark.parametrize("put", [_a_note, _a_pattern, _a_form_in_a_form])
def test_text_is_found_wherever_it_is_set(
    document: bytes, put: Callable[[pikepdf.Pdf, dict[str, Any], bytes], None]
) -> None:
    def edit(opened: pikepdf.Pdf) -> None:
        [page] = opened.pages
        look = {"/BBox": pikepdf.Array([0, 0, 600, 600]), "/Resources": page.Resources}
        content = page.Contents.read_bytes()
        page.Contents, page.Resources = opened.make_stream(b""), Dictionary()
        put(opened, look, content)

    found, whole = read_text(_edited(document, edit)), read_text(document)
    assert (found.pages, found.unread) == (1, 0)
    assert [[code for _, code in word] for word in found.words] == [
        [code for _, code in word] for word in whole.words
    ]
    assert list(found.words.values()) == list(whole.words.values())  # once, however often it is referred to


def test_notes_that_are_broken_do_not_count_as_pages(document: bytes) -> None:
    def edit(opened: pikepdf.Pdf) -> None:
        form = opened.make_stream(b"/X Do", Subtype=Name.Form, BBox=[0, 0, 9, 9], Matrix=[1])
        form.Resources = Dictionary(XObject=Dictionary(X=opened.make_stream(b"", dict(form.items()))))
        looks = [Dictionary(N=form), Dictionary(N=Dictionary(On=form, Off=5)), Dictionary(N=5), 5]
        opened.pages[0].Annots = [opened.make_indirect(Dictionary(AP=look)) for look in looks]

    found = read_text(_edited(document, edit))
    assert (found.pages, found.unread, len(found.words)) == (1, 0, 2)


def test_a_signature_is_seen(document: bytes) -> None:
    with pikepdf.open(io.BytesIO(document)) as opened:
        assert not is_signed(opened)
        sign(opened)
        assert is_signed(opened)
    assert not read_text(document).signed
    assert not read_text(document).damaged
    assert read_text(_edited(document, sign)).signed
