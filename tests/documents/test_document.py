"""Documents that are no documents, and readers that have to be stopped."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pikepdf import Dictionary, Name

from documents.document import BadDocument, Limits, Reader
from glyphs.raster import RasterSettings
from tests.documents.printing import silent_pdf

SETTINGS = RasterSettings(64, 56)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(Limits()) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(font_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "a.pdf"
    return silent_pdf(path, "TrueType by bytes", font_dir / "sans.ttf", ["to be", "or not"])


def test_what_is_no_document_is_said(reader: Reader, tmp_path: Path) -> None:
    for content in (b"", b"no document", b"%PDF-1.7\n", os.urandom(4096), b"%PDF-1.7\n" + os.urandom(4096)):
        path = tmp_path / "a.pdf"
        path.write_bytes(content)
        with pytest.raises(BadDocument, match=r"a\.pdf is no PDF that can be read"):
            reader.read(path, SETTINGS)


@given(st.data())
def test_what_is_broken_is_read_or_refused(reader: Reader, document: Path, data: st.DataObject) -> None:
    content = bytearray(document.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(content), len(content) // 2]))
    broken = document.with_name("broken.pdf")
    broken.write_bytes(content[:end])
    try:
        text, fonts = reader.read(broken, SETTINGS)
    except BadDocument:
        return
    assert text.unread <= text.pages
    assert sum(len(font.codes) for font in fonts) <= len(text.advances)


def test_passwords_are_asked_for(reader: Reader, document: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    with pikepdf.open(document) as opened:
        opened.save(path, encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(BadDocument, match=r"secret\.pdf is encrypted"):
        reader.read(path, SETTINGS)


def test_a_document_that_anybody_may_read_is_read(reader: Reader, document: Path, tmp_path: Path) -> None:
    path = tmp_path / "open.pdf"
    with pikepdf.open(document) as opened:
        opened.save(path, encryption=pikepdf.Encryption(owner="o", user=""))
    repaired = reader.repaired(path, {})
    path.write_bytes(repaired)
    with pikepdf.open(path) as opened:
        assert opened.is_encrypted  # still
    assert reader.read(path, SETTINGS)[0].words == reader.read(document, SETTINGS)[0].words


def test_pages_that_are_broken_do_not_spoil_the_others(
    reader: Reader, document: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.pdf"
    with pikepdf.open(document) as opened:
        for matrix in ([1, 0, 0, 1, 0, 0], [1]):  # of a form that contains itself, and of one that is broken
            page = opened.add_blank_page()
            form = opened.make_stream(b"/X Do", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 9, 9])
            form.Matrix, form.Resources = matrix, Dictionary(XObject=Dictionary(X=form))
            page.Resources = Dictionary(XObject=Dictionary(X=form))
            page.Contents = opened.make_stream(b"/X Do")
        opened.save(path)
    text, [font] = reader.read(path, SETTINGS)
    assert (text.pages, text.unread) == (3, 1)
    assert len(font.codes) == len(set("to be or not"))


def test_a_document_that_unpacks_without_end_is_stopped(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pdf"
    with pikepdf.open(document) as opened:
        packed = zlib.compress(bytes(2 << 30), 1)
        opened.pages[0].Contents = opened.make_stream(zlib.compress(packed, 9))
        opened.pages[0].Contents.write(
            zlib.compress(packed, 9), filter=[Name.FlateDecode, Name.FlateDecode], decode_parms=None
        )
        opened.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    assert path.stat().st_size < 1 << 20
    with Reader(Limits(gibibytes=1)) as reader, pytest.raises(BadDocument, match=r"GiB|broke what reads it"):
        reader.read(path, SETTINGS)


def test_computing_has_an_end(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    with pikepdf.open(document) as opened:
        content = opened.pages[0].Contents.read_bytes()
        opened.pages[0].Contents = opened.make_stream(content * 200_000)
        opened.save(path)
    with Reader(Limits(seconds=2)) as reader, pytest.raises(BadDocument, match="more than 2 s of computing"):
        reader.read(path, SETTINGS)


def test_only_what_fonts_say_is_changed(reader: Reader, document: Path, tmp_path: Path) -> None:
    _, [font] = reader.read(document, SETTINGS)
    path = tmp_path / "b.pdf"
    path.write_bytes(reader.repaired(document, {font.number: "a map"}))
    with pikepdf.open(document) as before, pikepdf.open(path) as after:
        [old], [new] = before.pages, after.pages
        assert new.Contents.read_bytes() == old.Contents.read_bytes()
        said = new.Resources.Font.F
        assert said.ToUnicode.read_bytes() == b"a map"
        del said.ToUnicode
        assert said.keys() == old.Resources.Font.F.keys()
        assert (
            said.FontDescriptor.FontFile2.read_bytes()
            == old.Resources.Font.F.FontDescriptor.FontFile2.read_bytes()
        )
