"""The pictures of docs/FINDINGS.md: glyphs of published fonts beside what they should be.

python -m benchmarks.fonts.findings
python -m benchmarks.fonts.findings --listed benchmarks/outside/findings.tsv --fonts runs/outside-fonts \
    --out docs/findings-outside.png
"""

from __future__ import annotations

import textwrap
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw, ImageFont

from benchmarks.fonts.choice import read_rows
from bundles import default_bundle
from glyphs.dataset.build import find_fonts
from glyphs.errors import BadInput
from glyphs.fonts import Face, FontFile
from glyphs.labels import Form, Label, fold
from glyphs.raster import draw
from glyphs.shaping import labelled_glyphs
from index.references import References

LIST = Path(__file__).with_name("findings.tsv")
_COLUMNS, _WIDTH, _HEIGHT = 4, 310, 128  # of the sheet, and of a finding in pixels
_LARGE, _SMALL = 96, 64


def main(
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("docs/findings.png"),
    fonts: Annotated[Path, typer.Option(help="Folder of the fonts.")] = Path("/usr/share/fonts"),
    listed: Annotated[Path, typer.Option(help="What is to be drawn.")] = LIST,
) -> None:
    """Draw the findings that are listed, in their order."""
    rows = read_rows(listed)
    wanted = {row[0] for row in rows}
    faces = {
        digest: next(FontFile.read(path).faces())
        for path in find_fonts([fonts])
        if (digest := sha256(path.read_bytes()).hexdigest()) in wanted
    }
    references = References.load(default_bundle())
    sheet = Image.new("L", (_COLUMNS * _WIDTH, -(-len(rows) // _COLUMNS) * _HEIGHT), 255)
    for number, (digest, code, form, font, what) in enumerate(rows):
        if digest not in faces:
            raise BadInput(
                f"{font} is not in {fonts}.", "`make fonts` or `python -m benchmarks.outside fetch` gets it."
            )
        codepoint = int(code.removeprefix("U+"), 16)
        label = Label(codepoint, Form(form)) if form else fold(codepoint)
        place = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        _draw(sheet, place, faces[digest], label, references, (font, f"{code} {form}", what))
    sheet.quantize(32).save(out, optimize=True)


def _draw(
    sheet: Image.Image, place: tuple[int, int], face: Face, label: Label, references: References,
    words: tuple[str, str, str],
) -> None:  # fmt: skip
    x, y = place
    glyph = face.glyph(labelled_glyphs(face)[label])
    assert glyph is not None
    sheet.paste(Image.fromarray(255 - draw(glyph.outline)).resize((_LARGE, _LARGE)), (x + 8, y + 4))
    if label in references.labels:
        usual = Image.fromarray(255 - references.pictures[references.labels.index(label)])
        sheet.paste(usual.resize((_SMALL, _SMALL), Image.Resampling.LANCZOS), (x + 112, y + 20))
    pen, (font, code, what) = ImageDraw.Draw(sheet), words
    lines = [*textwrap.wrap(font, 17), code, *textwrap.wrap(what, 17)]
    for number, line in enumerate(lines):
        pen.text((x + 186, y + 8 + 18 * number), line, font=ImageFont.load_default(14), fill=0)


if __name__ == "__main__":
    typer.run(main)
