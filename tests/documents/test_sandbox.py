"""Documents that are no documents, and readers that have to be stopped."""

from __future__ import annotations

import io
import json
import os
import signal
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pikepdf import Dictionary, Name

from documents.contents import DocumentFont, Text
from documents.sandbox import BadDocument, Limits, Reader, ReaderKilled, TooManyCodes, _Answer
from documents.sandboxed import words_of
from documents.text import read_map
from glyphs.confined import NO_ANSWER, Heard
from glyphs.pipe import Patience
from glyphs.raster import RasterSettings
from glyphs.to_unicode import cmap
from tests.documents.printing import silent_pdf
from tests.service.waits import eventually, unread

SETTINGS = RasterSettings(64, 56)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as opened:
        yield opened


@pytest.fixture(scope="module")
def document(font_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "a.pdf"
    return silent_pdf(path, "TrueType by bytes", font_dir / "sans.ttf", ["to be", "or not"])


def test_what_is_no_document_is_said(reader: Reader, tmp_path: Path) -> None:
    for content in (b"", b"no document", b"%PDF-1.7\n", os.urandom(4096), b"%PDF-1.7\n" + os.urandom(4096)):
        path = tmp_path / "a.pdf"
        path.write_bytes(content)
        with pytest.raises(BadDocument, match="no PDF that can be read"):
            reader.read(path.read_bytes(), SETTINGS)


@settings(max_examples=25)  # a process each
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
        text, fonts = reader.read(broken.read_bytes(), SETTINGS)
    except BadDocument:
        return
    assert text.unread <= text.pages
    assert sum(len(font.codes) for font in fonts) <= len(text.advances)


def test_passwords_are_asked_for(reader: Reader, document: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    with pikepdf.open(document) as opened:
        opened.save(path, encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(BadDocument, match="is encrypted"):
        reader.read(path.read_bytes(), SETTINGS)


def test_a_document_that_anybody_may_read_is_read(reader: Reader, document: Path, tmp_path: Path) -> None:
    path = tmp_path / "open.pdf"
    with pikepdf.open(document) as opened:
        opened.save(path, encryption=pikepdf.Encryption(owner="o", user=""))
    reader.read(path.read_bytes(), SETTINGS)
    path.write_bytes(reader.written({}))
    with pikepdf.open(path) as opened:
        assert opened.is_encrypted  # still
    assert (
        reader.read(path.read_bytes(), SETTINGS)[0].words
        == reader.read(document.read_bytes(), SETTINGS)[0].words
    )


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
    text, [font] = reader.read(path.read_bytes(), SETTINGS)
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
    with Reader(Limits(max_memory=1 << 30)) as reader, pytest.raises(BadDocument, match=r"MiB of memory"):
        reader.read(path.read_bytes(), SETTINGS)


@pytest.mark.parametrize("said", [b"<00000000> <FFFFFFFF> <0000>", b"<0000000000> <00FFFFFFFF> <0061>"])
def test_a_map_without_end_costs_nothing_but_itself(document: Path, tmp_path: Path, said: bytes) -> None:
    path = tmp_path / "bomb.pdf"
    with pikepdf.open(document) as opened:
        fonts = opened.pages[0].Resources.Font
        fonts.B = opened.make_indirect(Dictionary(fonts.F))
        fonts.B.ToUnicode = opened.make_stream(b"1 beginbfrange " + said + b" endbfrange")
        opened.pages[0].contents_add(b' BT /B 9 Tf (!") Tj ET')
        opened.save(path)
    with Reader(Limits(max_memory=1 << 30, seconds=20)) as reader:
        text, fonts = reader.read(path.read_bytes(), SETTINGS)
        assert text.unread == 0
        assert sorted((font.obstacle, len(font.codes)) for font in fonts) == [("", 2), ("", 7)]
        written = reader.written({font.number: {33: "x"} for font in fonts})
    with pikepdf.open(io.BytesIO(written)) as opened:
        for font in opened.pages[0].Resources.Font.values():
            assert read_map(font.ToUnicode.read_bytes())[33] == "x"


def test_documents_with_too_many_codes_are_told_from_others(document: Path) -> None:
    few = len(set("to be or not"))
    with Reader(Limits(max_codes=few)) as reader:
        reader.read(document.read_bytes(), SETTINGS)
    with Reader(Limits(max_codes=few - 1)) as reader, pytest.raises(TooManyCodes, match="more than 6"):
        reader.read(document.read_bytes(), SETTINGS)


@pytest.mark.parametrize(
    ("by", "kind", "said"),
    [(signal.SIGSEGV, BadDocument, "SIGSEGV"), (signal.SIGKILL, ReaderKilled, "was killed.*Try again")],
)
def test_a_process_that_dies_is_replaced(
    document: Path, by: signal.Signals, kind: type[BadDocument], said: str
) -> None:
    with Reader() as reader, ThreadPoolExecutor(1) as others:
        process = reader.start()
        process.send_signal(signal.SIGSTOP)
        at_work = others.submit(reader.read, document.read_bytes(), SETTINGS)
        eventually(lambda: unread(process))
        process.send_signal(by)
        process.send_signal(signal.SIGCONT)
        with pytest.raises(BadDocument, match=said) as raised:
            at_work.result()
        assert raised.type is kind
        assert reader.read(document.read_bytes(), SETTINGS)


def test_a_process_that_died_while_it_waited_is_replaced(document: Path) -> None:
    with Reader() as reader:
        died = reader.start()
        died.kill()
        died.wait()
        assert reader.read(document.read_bytes(), SETTINGS)


def test_no_document_is_read_by_a_process_that_has_read_another(document: Path) -> None:
    with Reader() as reader:
        first = reader.start()
        reader.read(document.read_bytes(), SETTINGS)
        assert first.poll() is None  # it may still be asked to write it
        reader.read(document.read_bytes(), SETTINGS)
        assert first.poll() is not None
        second = reader.start()
        assert first.pid != second.pid
    assert second.poll() is not None


@pytest.mark.parametrize("patience", [0.0, 0.05])
def test_whoever_asks_may_have_less_patience(document: Path, patience: float) -> None:
    with Reader() as reader:
        with pytest.raises(BadDocument, match="more than"):
            reader.read(document.read_bytes(), SETTINGS, patience)
        assert reader.read(document.read_bytes(), SETTINGS)


# ---- a process that a document has taken over

SIZE = 8
TEXT = {
    "kind": "text", "pages": 1, "unread": 0, "signed": False, "damaged": False, "used": [[5, 65], [5, 66]],
    "advances": [0.5, 0.6],
}  # fmt: skip
FONT = {
    "kind": "font", "number": 5, "name": "F", "type": "Type0", "obstacle": "",
    "codes": [[65, True, [0.5, 0.5, 0, 0.5], "A"], [66, False, [0, 0, 0, 0.6], ""]],
}  # fmt: skip
END = {"kind": "end", "error": "", "remedy": "", "too_many": False}
INK = bytes(SIZE**2)
Message = tuple[object, bytes]


WORDS = {"kind": "words", "words": [[3, 0, 1], [1, 1]]}


def heard(*messages: Message) -> tuple[Text, list[DocumentFont]]:
    source, to = os.pipe()
    with os.fdopen(to, "wb") as pipe:
        for document, body in messages:
            said = document if isinstance(document, bytes) else json.dumps(document).encode()
            pipe.write(len(said).to_bytes(8, "little") + len(body).to_bytes(8, "little") + said + body)
    try:
        return _Answer(Heard(source, Patience(20.0), 1 << 15), RasterSettings(SIZE, SIZE)).read()
    finally:
        os.close(source)


def test_an_answer_that_makes_sense_is_taken() -> None:
    text, [font] = heard((TEXT, b""), (WORDS, b""), (WORDS, b""), (FONT, INK), (END, b""))
    assert text.words == {((5, 65), (5, 66)): 6, ((5, 66),): 2}
    assert [code.spoken for code in font.codes] == ["A", ""]
    assert font.codes[0].raster is not None
    assert font.codes[0].raster.shape == (SIZE, SIZE)
    _, [font] = heard((TEXT, b""), (FONT | {"name": "\ud800!"}, INK), (END, b""))
    assert font.name == "\ufffd!"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"7", b"{}", b"\xff", b"[" * 5_000, b" " * 40_000,
        TEXT | {"signed": 1}, TEXT | {"signed": None},
        TEXT | {"pages": -1}, TEXT | {"pages": "1"}, TEXT | {"unread": 1.5}, TEXT | {"used": [[5]]},
        TEXT | {"used": [[5, 2**40], [5, 66]]}, TEXT | {"advances": [0.5]},
        TEXT | {"used": [[5, 65], [5, 65]]},
        json.dumps(TEXT).replace("0.5", "NaN").encode(), json.dumps(TEXT).replace("0.5", "1e999").encode(),
        END,
    ],
)  # fmt: skip
def test_nonsense_is_no_text(text: object) -> None:
    with pytest.raises(NO_ANSWER):
        heard((text, b""), (FONT, INK), (END, b""))


@pytest.mark.parametrize("words", [[[1, 2]], [[-1, 0]], [[1, -1]], 3, [[]]])
def test_nonsense_is_no_words(words: object) -> None:
    with pytest.raises(NO_ANSWER):
        heard((TEXT, b""), (WORDS | {"words": words}, b""), (FONT, INK), (END, b""))


def test_many_words_are_told_a_thousand_at_a_time() -> None:
    places = [(5, code) for code in range(40)]
    words = Counter({(one, other): 1 for one in places for other in places})
    told = list(words_of(Text(pages=1, advances=dict.fromkeys(places, 0.5), words=words)))
    assert [len(message["words"]) for message in told] == [1024, 576]


@pytest.mark.parametrize(
    ("font", "body"),
    [
        ({}, b""), ([], b""), (FONT, b""), (FONT, INK[1:]), (FONT, INK * 3), (FONT | {"number": 6}, INK),
        (FONT | {"codes": [[67, False, [0, 0, 0, 0], ""]]}, b""), (FONT | {"codes": [[65, False]]}, b""),
        (FONT | {"codes": [[65, False, [0, 0, 0], ""]]}, b""), (FONT | {"name": 7}, INK),
        (FONT | {"codes": [[65, False, [0, 0, 0, 0], "A" * 1001]]}, b""), (FONT | {"obstacle": None}, INK),
        (FONT | {"codes": [[65, False, [0, 0, 0, "x"], "A"]]}, b""), (FONT | {"codes": 5}, INK),
    ],
)  # fmt: skip
def test_nonsense_is_no_font(font: object, body: bytes) -> None:
    with pytest.raises(NO_ANSWER):
        heard((TEXT, b""), (font, body), (END, b""))


def test_why_it_cannot_be_read_is_text() -> None:
    with pytest.raises(BadDocument, match="\ufffd!"):
        heard((END | {"error": "\ud800!"}, b""))
    for why in (7, ["x"], "x" * 1001):
        with pytest.raises(NO_ANSWER):
            heard((END | {"error": why}, b""))


def test_no_font_comes_twice() -> None:
    for many in (2, 50):
        with pytest.raises(NO_ANSWER):
            heard((TEXT, b""), *[(FONT, INK)] * many, (END, b""))


def test_computing_has_an_end(document: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    with pikepdf.open(document) as opened:
        content = opened.pages[0].Contents.read_bytes()
        opened.pages[0].Contents = opened.make_stream(content * 200_000)
        opened.save(path)
    with Reader(Limits(seconds=2)) as reader, pytest.raises(BadDocument, match="more than 2 seconds"):
        reader.read(path.read_bytes(), SETTINGS)


def test_only_what_fonts_say_is_changed(reader: Reader, document: Path, tmp_path: Path) -> None:
    _, [font] = reader.read(document.read_bytes(), SETTINGS)
    path = tmp_path / "b.pdf"
    path.write_bytes(reader.written({font.number: {33: "x", 34: "ffi"}}))
    with pikepdf.open(document) as before, pikepdf.open(path) as after:
        [old], [new] = before.pages, after.pages
        assert new.Contents.read_bytes() == old.Contents.read_bytes()
        said = new.Resources.Font.F
        assert said.ToUnicode.read_bytes() == cmap([(33, "x"), (34, "ffi")], digits=2).encode()
        del said.ToUnicode
        assert said.keys() == old.Resources.Font.F.keys()
        assert (
            said.FontDescriptor.FontFile2.read_bytes()
            == old.Resources.Font.F.FontDescriptor.FontFile2.read_bytes()
        )


def test_what_a_font_says_of_codes_that_are_not_seen_is_kept(
    reader: Reader, document: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.pdf"
    head, *others = cmap([(33, "t"), (34, "\ue001"), (35, "\u3000")], digits=2).partition("endcmap")
    ranges = "2 beginbfrange\n<80> <82> <0061>\n<90> <91> [<00660066> <D835DC00>]\nendbfrange\n"
    strange = "3 beginbfchar\n<FFFF> <0061>\n<A0> <D800>\n<A1> <>\nendbfchar\n"
    with pikepdf.open(document) as opened:
        font = opened.pages[0].Resources.Font.F
        font.ToUnicode = opened.make_stream("".join([head, ranges, strange, *others]).encode())
        opened.save(path)
    _, [read] = reader.read(path.read_bytes(), SETTINGS)
    path.write_bytes(reader.written({read.number: {34: "x", 35: " "}}))
    with pikepdf.open(path) as opened:
        said = read_map(opened.pages[0].Resources.Font.F.ToUnicode.read_bytes())
    kept = {128: "a", 129: "b", 130: "c", 144: "ff", 145: "\U0001d400"}
    assert said == {33: "t", 34: "x", 35: "\u3000"} | kept
    with pikepdf.open(document) as opened:
        opened.pages[0].Resources.Font.F.ToUnicode = Name("/Identity-H")
        opened.save(path)
    _, [read] = reader.read(path.read_bytes(), SETTINGS)
    path.write_bytes(reader.written({read.number: {34: "x"}}))
    with pikepdf.open(path) as opened:
        assert read_map(opened.pages[0].Resources.Font.F.ToUnicode.read_bytes()) == {34: "x"}
