"""Records to test with: a small font's score, and any score at all."""

from __future__ import annotations

import sys
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import strategies as st

from glyphs.labels import Form, Label
from scoring.verdicts import CHECKS, FaceScore, Finding, FontScore, Guess, Status, Verdict

AIN, GHAIN = 0x639, 0x63A
SQUARE = "M0 0L500 0L500 -500L0 -500Z"
HOSTILE = [
    "<script>alert(1)</script>", "a|b", "`code`", "two\nlines", "\u202egnp.exe", "{{ 7 * 7 }}", "@somebody",
    '"><img src=x onerror=alert(1)>', "[link](javascript:alert(1))", "\x00\x1b[31m", "\udcff", "--><!--",
    "]]>", 'a,b;"c"\r\n',
    "</title></style></svg>", "مرحبا", "", "⟨⟩", "&lt;b&gt;", "*bold* _it_ ~no~ #1 $x$",
]  # fmt: skip


def verdict(character: str, *findings: Finding, form: Form = Form.NONE, path: str = SQUARE) -> Verdict:
    """A glyph of a character; a suspect where there are findings, which then looks like `Z`."""
    label = Label(ord(character), form)
    likeliest = Guess(Label(ord("Z")), 0.97) if findings else Guess(label, 0.99)
    return Verdict(
        codepoint=label.codepoint, label=label, glyph=f"glyph{label.codepoint}", index=label.codepoint % 997,
        findings=findings, probability=0.0004 if findings else 0.99, rank=4 if findings else 1,
        margin=7.0 if findings else -7.0, likeness=0.3, top=(likeliest, Guess(Label(ord("Q")), 0.004)),
        path=path, metrics=(0.5, 0.5, 0.0, 0.6),
    )  # fmt: skip


def found(
    check: str,
    message: str = "It looks like another.",
    *,
    accepted: bool = False,
    status: Status | None = None,
) -> Finding:
    """A finding of a check, of the check's severity unless told otherwise."""
    return Finding(check, status or CHECKS[check].severity, message, accepted)


def face(
    *glyphs: Verdict, family: str = "Test", style: str = "Regular", findings: tuple[Finding, ...] = ()
) -> FaceScore:
    return FaceScore(
        face=0, instance=0, family=family, style=style, units_per_em=1000, findings=findings, glyphs=glyphs
    )


def font(*faces: FaceScore, name: str = "fonts/Test.ttf", findings: tuple[Finding, ...] = ()) -> FontScore:
    return FontScore(font=name, sha256="ab" * 32, findings=findings, faces=faces)


def small_font() -> FontScore:
    """A, a wrong B, a doubtful initial ain and a skipped ghain."""
    return font(
        face(
            verdict("A"),
            verdict("B", found("identity", "It is recognised as LATIN CAPITAL LETTER Z.")),
            verdict(chr(AIN), found("unknown", status=Status.WARN), form=Form.INIT),
            replace(verdict(chr(GHAIN), form=Form.ISOL), skipped=True),
        )
    )


def hostile_font(text: str) -> FontScore:
    """A font that says `text` wherever a font can say something."""
    finding = found("identity", text)
    glyph = replace(verdict("B", finding, replace(finding, accepted=True)), glyph=text)
    accepted = replace(verdict("C", replace(finding, accepted=True)), glyph=text)
    return font(
        face(
            glyph, accepted, replace(verdict("D"), glyph=text), family=text, style=text, findings=(finding,)
        ),
        face(glyph, family=text, style="Bold"),
        name=f"fonts/{text}",
        findings=(finding,),
    )


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text.

    unclosed: elements that are open at the end, or were closed out of order
    """

    _VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a name."""
        return [attributes for name, attributes in self.found if name == tag]


def texts() -> st.SearchStrategy[str]:
    """Any text, hostile ones among it."""
    return st.sampled_from(HOSTILE) | st.text(max_size=12)


def labels() -> st.SearchStrategy[Label]:
    codepoints = st.integers(0, sys.maxunicode).filter(lambda number: not 0xD800 <= number <= 0xDFFF)
    return st.builds(Label, codepoints, st.sampled_from(Form))


def scores() -> st.SearchStrategy[FontScore]:
    """Any font's score."""
    share = st.floats(0, 1)
    number = st.floats(allow_nan=False, allow_infinity=False)
    finding = st.builds(Finding, st.sampled_from([*CHECKS]), st.sampled_from(Status), texts(), st.booleans())
    findings = st.lists(finding, max_size=2).map(tuple)
    glyph = st.builds(
        Verdict, codepoint=labels().map(lambda label: label.codepoint), label=labels(), glyph=texts(),
        index=st.integers(0, 65535), findings=findings, skipped=st.booleans(), probability=st.none() | share,
        rank=st.none() | st.integers(1, 9999), margin=st.none() | number,
        likeness=st.none() | st.floats(-1, 1),
        top=st.lists(st.builds(Guess, labels(), share), max_size=3).map(tuple),
        equivalents=st.lists(labels(), max_size=2).map(tuple), path=st.sampled_from(["", SQUARE, "M1 2Z"]),
        metrics=st.none() | st.tuples(*[st.floats(-4, 4)] * 4),
    )  # fmt: skip
    one_face = st.builds(
        FaceScore, face=st.integers(0, 9), instance=st.integers(0, 9), family=texts(), style=texts(),
        units_per_em=st.integers(16, 16384), findings=findings, glyphs=st.lists(glyph, max_size=3).map(tuple),
    )  # fmt: skip
    return st.builds(
        FontScore, font=texts(), sha256=st.sampled_from(["", "ab" * 32]), findings=findings,
        faces=st.lists(one_face, max_size=2).map(tuple),
    )  # fmt: skip
