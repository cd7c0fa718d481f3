"""The objects of a PDF: its fonts, what its pages do not draw by themselves, whether it is signed.

qpdf, which pikepdf is made of, makes the best of files that are not as they should be, as viewers do;
pdfminer, which reads text, wants them sound. So it is given a copy that qpdf has written.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pikepdf
from pikepdf import Dictionary, Name, Stream

NUMBER = "GlypheryNumber"  # of a font's object in the document that was copied
_AS_THEY_ARE = pikepdf.StreamDecodeLevel.none
_KINDS = "/Type0", "/Type1", "/MMType1", "/TrueType", "/Type3"


def fonts_of(document: pikepdf.Pdf) -> dict[int, pikepdf.Object]:
    """By the numbers of their objects, whatever their generation is."""
    return {
        held.objgen[0]: held
        for held in document.objects
        if isinstance(held, Dictionary) and (held.get("/Type") == Name.Font or held.get("/Subtype") in _KINDS)
    }


def is_signed(document: pikepdf.Pdf) -> bool:
    """Whether a signature vouches for its bytes, which it does for those of no other file."""
    return any(isinstance(held, Dictionary) and "/ByteRange" in held for held in document.objects)


def sound_copy(document: pikepdf.Pdf) -> bytes:
    """A document that is not encrypted, has tables and types as they should be, and after its own pages one
    for everything else that sets text. Its fonts know their NUMBER. The document becomes so, too.
    """
    for number, font in fonts_of(document).items():
        font[f"/{NUMBER}"] = number
    for drawing in {one.objgen: one for one in _besides(document)}.values():
        page = document.add_blank_page()
        page.Contents, page.Resources = drawing, drawing.get("/Resources", Dictionary())
    held = io.BytesIO()
    document.save(held, encryption=False, compress_streams=False, stream_decode_level=_AS_THEY_ARE)
    return held.getvalue()


def _besides(document: pikepdf.Pdf) -> Iterator[pikepdf.Object]:
    """What annotations look like, fields of forms among them, in each state; and tiles of patterns."""
    for held in document.objects:
        if isinstance(held, Stream):
            if held.get("/PatternType") == 1:
                yield held
        elif isinstance(held, Dictionary) and isinstance(looks := held.get("/AP"), Dictionary):
            for look in looks.values():
                states = look.values() if isinstance(look, Dictionary) else [look]
                yield from (state for state in states if isinstance(state, Stream))
