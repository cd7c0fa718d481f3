"""Text from fonts, made safe to show: names are whatever somebody wrote into a file."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath

from glyphs.characters import code
from glyphs.labels import Label

# What is not seen itself but changes what is seen around it: controls, line separators, bidirectional
# marks, embeddings, overrides and isolates, invisible operators, the byte order mark, annotation marks,
# tags, and what is no character at all. The joiners stay: Arabic and Indic names need them.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_ZWJ, _DOTTED_CIRCLE = "\u200d", "\u25cc"
_MARKDOWN = re.compile(r"[!#$*\[\\\]_`|~]")


def visible(text: str) -> str:
    """The text with every unseen character written as its code, such as ⟨U+202E⟩; one line."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def markdown(text: str, limit: int = 300) -> str:
    """Text for a cell or a line of GitHub Markdown, inert: it holds no markup, line end or mention.

    limit: characters, before escaping; the rest becomes an ellipsis
    """
    shown = html.escape(visible(_shorten(text, limit)), quote=False)
    shown = _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", shown)
    # GitHub looks for mentions in what was rendered, one text node at a time.
    return shown.replace("@", "<span>@</span>")


def markdown_code(text: str) -> str:
    """A name in Markdown, as code. Not in backticks: those cannot hold every text inside a table."""
    return f"<code>{markdown(text, 120)}</code>"


def file_name(font: str) -> str:
    """The last part of a path, of whichever system."""
    return PurePosixPath(font.replace("\\", "/")).name or font


def named(label: Label) -> str:
    """A label in words: `ARABIC LETTER AIN, initial`."""
    form = label.form.words
    return f"{label.character.name}, {form}" if form else label.character.name


def specimen(label: Label) -> str:
    """The label as text for any font to set: joined by joiners, a mark on a dotted circle; or its code."""
    category = label.character.category
    if category[0] in "CZ":
        return code(label.codepoint)
    text = chr(label.codepoint)
    if category[0] == "M":
        return _DOTTED_CIRCLE + text
    before = _ZWJ if label.form.joins_before else ""
    after = _ZWJ if label.form.joins_after else ""
    return before + text + after


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
