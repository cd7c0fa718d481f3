"""The fonts of a PDF: what their codes draw, and what a reader takes them for.

Each code is set by itself on a page of another document that has the font, and PDFium, which shows what
people see, draws it: so fonts of every kind are drawn, also those that are procedures (Type 3), by the rules
by which codes find glyphs. It also says which characters copying it gives.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from PIL import Image

from documents.contents import DocumentFont, DrawnCode
from documents.objects import fonts_of
from glyphs import bits
from glyphs.fonts import Metrics
from glyphs.raster import INK, Raster, RasterSettings

_EM = 100.0  # points
_BEFORE, _BELOW, _PAGE = 150.0, 150.0, 500.0  # around the glyph's origin, and the side of the page, points
_FINE = 8.0  # pixels of a picture for one of a raster
_MARGIN = 1.0  # points around what was seen first
_FILES = "/FontFile", "/FontFile2", "/FontFile3"


def draw_fonts(
    document: pikepdf.Pdf, advances: Mapping[int, Mapping[int, float]], settings: RasterSettings
) -> list[DocumentFont]:
    """advances: of each font, by the number of its object, the codes that are used, in em."""
    fonts = fonts_of(document)
    return [_drawn(fonts[number], number, used, settings) for number, used in advances.items()]


def _drawn(
    font: pikepdf.Object, number: int, advances: Mapping[int, float], settings: RasterSettings
) -> DocumentFont:
    name = kind = ""
    codes: tuple[DrawnCode, ...] = ()
    try:
        kind = str(font.get("/Subtype", "")).removeprefix("/")
        name = str(font.get("/BaseFont", font.get("/Name", ""))).removeprefix("/")
        obstacle = _obstacle(font, kind)
        if not obstacle:
            codes = tuple(_codes(font, kind, advances, settings))
    except MemoryError:
        raise
    except Exception as error:  # a font that is broken does not spoil the others
        obstacle = f"It cannot be drawn: {type(error).__name__}."
    return DocumentFont(number=number, name=name, kind=kind, obstacle=obstacle, codes=codes)


def _obstacle(font: pikepdf.Object, kind: str) -> str:
    if kind == "Type3":
        return ""
    holder = font
    if kind == "Type0":
        if str(font.get("/Encoding")) not in ("/Identity-H", "/Identity-V"):
            return "Its codes are of a character set."
        holder = font.DescendantFonts[0]
    descriptor = holder.get("/FontDescriptor")
    embedded = descriptor is not None and any(file in descriptor for file in _FILES)
    return "" if embedded else "It is not embedded."


def _codes(
    font: pikepdf.Object, kind: str, advances: Mapping[int, float], settings: RasterSettings
) -> list[DrawnCode]:
    em, speaks = _em(kind, list(advances.values())), _speaks(font, kind)
    drawn = []
    with pypdfium2.PdfDocument(_sheets(font, kind, list(advances), _EM / em)) as sheets:
        for (code, advance), page in zip(advances.items(), sheets, strict=True):
            found = _ink(page, settings)
            raster, (width, height, bottom) = found or (None, (0.0, 0.0, 0.0))
            metrics = Metrics(width, height, bottom, advance / em)
            drawn.append(DrawnCode(code, raster, metrics, _spoken(page) if speaks else ""))
            page.close()
    return drawn


def _speaks(font: pikepdf.Object, kind: str) -> bool:
    """Whether anything says what the font's codes stand for. Of mere glyph indices PDFium says something all
    the same where they are as great as code points of scripts that are written from the right to the left.
    """
    if kind != "Type0" or "/ToUnicode" in font:
        return True
    system = font.DescendantFonts[0].get("/CIDSystemInfo")
    return system is not None and str(system.get("/Ordering", "Identity")) != "Identity"


def _em(kind: str, advances: Sequence[float]) -> float:
    """What is an em of the font, where its size is 1. Procedures may be of any size; characters are half as
    wide as high.
    """
    usual = statistics.median(advances)
    return 1.0 if kind != "Type3" or 0.25 <= usual <= 1.0 or usual <= 0 else 2 * usual


def _sheets(font: pikepdf.Object, kind: str, codes: Sequence[int], size: float) -> bytes:
    """A document of a page for each code."""
    sheets = pikepdf.new()
    copied, digits = sheets.copy_foreign(font), 2
    if kind == "Type0":  # also what is set from top to bottom stands on a line here
        copied.Encoding, digits = pikepdf.Name("/Identity-H"), 4
    resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=copied))
    for code in codes:
        page = sheets.add_blank_page(page_size=(_PAGE, _PAGE))
        page.Resources = resources
        text = f"BT /F {size:.6f} Tf 1 0 0 1 {_BEFORE} {_BELOW} Tm <{code:0{digits}X}> Tj ET"
        page.Contents = sheets.make_stream(text.encode())
    held = io.BytesIO()
    sheets.save(held)
    return held.getvalue()


def _ink(
    page: pypdfium2.PdfPage, settings: RasterSettings
) -> tuple[Raster, tuple[float, float, float]] | None:
    """A raster of what is drawn, and its width, height and bottom in em."""
    first = _picture(page, 1.0, (0.0, 0.0, _PAGE, _PAGE))
    seen = _box(first)
    if seen is None:
        return None
    left, bottom, right, top = _on_page(seen, first, 1.0, (0.0, 0.0))
    scale = _FINE * settings.box / max(right - left, top - bottom)
    corners = (left - _MARGIN, bottom - _MARGIN, right + _MARGIN, top + _MARGIN)
    left, bottom, right, top = (min(max(corner, 0.0), _PAGE) for corner in corners)
    ink = _picture(page, scale, (left, bottom, right, top))
    seen = _box(ink)
    if seen is None:
        return None
    left, bottom, right, top = _on_page(seen, ink, scale, (left, bottom))
    raster = _centred(ink, seen, settings)
    return raster, ((right - left) / _EM, (top - bottom) / _EM, (bottom - _BELOW) / _EM)


def _picture(
    page: pypdfium2.PdfPage, scale: float, part: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    """(H, W) uint8, ink bright on 0, of a part of the page: left, bottom, right, top, points."""
    left, bottom, right, top = part
    cut = left, bottom, _PAGE - right, _PAGE - top
    seen = page.render(scale=scale, crop=cut, grayscale=True).to_numpy()
    ink: NDArray[np.uint8] = 255 - seen.reshape(seen.shape[:2])
    return ink


def _box(ink: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the ink, pixels, the latter two exclusive; None where there is none."""
    mask = bits.of_mask(ink > INK)
    return bits.box(mask, ink.shape[1]) if mask else None


def _on_page(
    box: tuple[int, int, int, int], picture: NDArray[np.uint8], scale: float, corner: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Left, bottom, right, top, points, of a box in a picture of the page.

    corner: of the picture, to the left and below
    """
    (left, top, right, bottom), (x, y) = box, corner
    return (
        x + left / scale, y + (len(picture) - bottom) / scale,
        x + right / scale, y + (len(picture) - top) / scale,
    )  # fmt: skip


def _centred(ink: NDArray[np.uint8], box: tuple[int, int, int, int], settings: RasterSettings) -> Raster:
    """A picture's ink as `glyphs.raster.draw` places an outline; pixels are the shares of them with ink."""
    left, top, right, bottom = box
    side = settings.size / settings.box * max(right - left, bottom - top)
    around = int(side)
    x, y = around + (left + right) / 2, around + (top + bottom) / 2
    part = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    size = (settings.size, settings.size)
    return np.asarray(Image.fromarray(np.pad(ink, around)).resize(size, Image.Resampling.BOX, part))


def _spoken(page: pypdfium2.PdfPage) -> str:
    """What copying the page's text gives; nothing where the font does not say what its code stands for."""
    text = page.get_textpage()
    said = []
    for place in range(pdfium.FPDFText_CountChars(text)):
        if pdfium.FPDFText_IsGenerated(text, place) or pdfium.FPDFText_HasUnicodeMapError(text, place):
            continue
        said.append(chr(pdfium.FPDFText_GetUnicode(text, place)))
    text.close()
    return "".join(said).strip()  # PDFium puts spaces before what is written from the right to the left
