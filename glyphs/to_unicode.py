"""ToUnicode CMaps: what codes of a font stand for, written as PDF has it (ISO 32000-1, 9.10.3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LIGATURES = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]")  # presentation forms of letters
_BLOCK = 100  # entries of a block: no more are allowed
_HEAD = """\
/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
"""
_FOOT = """\
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


def cmap(texts: Iterable[tuple[int, str]], *, digits: int = 4) -> str:
    """texts: codes and what they stand for; presentation forms become the letters that are looked for
    digits: hexadecimal ones of a code, 2 or 4
    """
    pairs = list(texts)
    blocks = [
        f"{len(some)} beginbfchar\n"
        + "".join(f"<{code:0{digits}X}> <{_utf_16(text)}>\n" for code, text in some)
        + "endbfchar\n"
        for some in (pairs[first : first + _BLOCK] for first in range(0, len(pairs), _BLOCK))
    ]
    return "".join([_HEAD, f"<{'0' * digits}> <{'F' * digits}>\nendcodespacerange\n", *blocks, _FOOT])


def letters(text: str) -> str:
    """A text with letters in the place of presentation forms, ligatures among them."""
    return _LIGATURES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def _utf_16(text: str) -> str:
    return letters(text).encode("utf-16-be").hex().upper()
