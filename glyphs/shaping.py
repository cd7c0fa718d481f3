"""Joining forms by shaping: HarfBuzz sees the letter between zero-width joiners.

ZWJ (U+200D) on a side makes the letter join there (Unicode 15, section 9.2), so that a font's
own `init`, `medi`, `fina` features answer. The joiner's own glyph is dropped.
"""

from __future__ import annotations

import uharfbuzz as hb

from glyphs.characters import character
from glyphs.errors import BadFont
from glyphs.fonts import Component, Face
from glyphs.labels import Form, Label, fold, forms_of

_ZWJ = 0x200D


class Shaper:
    """Asks one face for the glyphs of joining forms."""

    def __init__(self, face: Face) -> None:
        self._font: hb.Font | None = None
        self._buffer = hb.Buffer()  # filled anew for every letter
        if face.sfnt is not None:
            self._font = hb.Font(hb.Face(face.sfnt, face.index))
            if face.instance:
                self._font.var_named_instance = face.instance - 1

    def shape(self, codepoint: int, form: Form) -> tuple[Component, ...]:
        """The placed glyphs of a letter in a form; empty where the font cannot be shaped.

        Raises:
            BadFont: its substitutions go on and on.
        """
        if self._font is None:
            return ()
        buffer = self._buffer
        buffer.clear_contents()
        buffer.add_codepoints([_ZWJ] * form.joins_before + [codepoint] + [_ZWJ] * form.joins_after)
        buffer.set_script_from_ot_tag(character(codepoint).script.lower())
        buffer.language = "und"  # not the process's own
        buffer.guess_segment_properties()  # the script's direction: Mongolian and Phags-pa join left to right
        buffer.flags = hb.BufferFlags.REMOVE_DEFAULT_IGNORABLES
        try:
            hb.shape(self._font, buffer)
        except (
            MemoryError
        ):  # so it calls every buffer that HarfBuzz gave up, for its length or number of steps
            self._buffer = hb.Buffer()
            raise BadFont("Shaping a letter does not end.") from None
        components, x = [], 0
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            components.append(Component(info.codepoint, x + position.x_offset, position.y_offset))
            x += position.x_advance
        return tuple(components)


def labelled_glyphs(face: Face) -> dict[Label, int | tuple[Component, ...]]:
    """Every label a face can draw, with the glyphs that draw it.

    Letters that join give one label a form; a form that the font draws as it draws the isolated
    letter is left out, since nothing shows that the font knows it. Where shaping and a
    presentation-form code point give the same label, shaping wins.
    """
    mapped = face.characters()
    shaper = Shaper(face)
    found: dict[Label, int | tuple[Component, ...]] = {}
    presentation: dict[Label, int] = {}
    for codepoint, glyph_index in mapped.items():
        label = fold(codepoint)
        if label.codepoint != codepoint:
            presentation.setdefault(label, glyph_index)
            continue
        isolated, *joined = forms_of(codepoint)
        found[Label(codepoint, isolated)] = glyph_index
        alone = shaper.shape(codepoint, Form.ISOL) if joined else ()
        for form in joined:
            components = shaper.shape(codepoint, form)
            if components and components != alone and all(part.glyph_index for part in components):
                found[Label(codepoint, form)] = components
    for label, glyph_index in presentation.items():
        found.setdefault(label, glyph_index)
    return dict(sorted(found.items(), key=lambda item: (item[0].codepoint, item[0].form)))
