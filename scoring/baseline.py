"""Findings that are known and accepted: a file people write, and keep beside their fonts.

    {
      "glyphery-baseline": 1,
      "findings": [
        {"font": "Fancy.ttf", "face": "Fancy Bold", "codepoint": "U+0639", "form": "init",
         "check": "dots", "why": "a deliberate variant"},
        {"font": "*", "codepoint": "U+E000", "check": "unknown"}
      ]
    }

An entry without a code point is about a face, one without a face either about the file or, with a
code point, about that character in every face. `"*"` stands for every font.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from glyphs.characters import code
from glyphs.errors import BadInput
from glyphs.labels import Form
from scoring.reports.report import Report, check_place
from scoring.reports.report import write as write_text
from scoring.reports.text import file_name
from scoring.verdicts import CHECKS, FaceScore, Finding, FontScore, Status, Verdict

_MARK, _VERSION = "glyphery-baseline", 1
_ANY = "*"
_ACCEPTABLE = frozenset({Status.WARN, Status.FAIL})  # an ERROR says that nothing was judged
_CODE = re.compile(r"U\+[0-9A-F]{4,6}", re.IGNORECASE)


class BadBaseline(BadInput):
    """A file that is no baseline, or has an entry that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One accepted finding.

    font: the file's name, without folders, or `*`
    face: family and style, or None (see above); codepoint: None for a finding of a face or file
    form: joining form, NONE where the label has none
    why: a reason, for people
    """

    font: str
    check: str
    face: str | None = None
    codepoint: int | None = None
    form: Form = Form.NONE
    why: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON, without what is not said."""
        values = {
            "font": self.font,
            "face": self.face,
            "codepoint": None if self.codepoint is None else code(self.codepoint),
            "form": str(self.form),
            "check": self.check,
            "why": self.why,
        }
        return {key: value for key, value in values.items() if value}


class Baseline:
    """A set of entries that remembers which of them were of use."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = sorted(set(entries), key=_order)
        self._used: set[Entry] = set()
        self._judged: set[str] = set()  # names of fonts
        self._by_check: dict[tuple[str, int | None], list[Entry]] = {}
        for entry in self.entries:
            self._by_check.setdefault((entry.check, entry.codepoint), []).append(entry)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            BadBaseline: it cannot be read, or is no baseline; the message names the entry.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadBaseline(f"{path} cannot be read: {error.strerror or error}.") from None
        except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
            raise BadBaseline(f"{path} is no JSON: {error}.", "Mend it, or write it anew.") from None
        if not isinstance(content, dict) or _MARK not in content:
            raise BadBaseline(f"{path} is no baseline.", f'It begins with {{"{_MARK}": {_VERSION}, ...}}.')
        if content[_MARK] != _VERSION:
            raise BadBaseline(f"{path} is a baseline of version {content[_MARK]!r}, not {_VERSION}.")
        rows = content.get("findings")
        if not isinstance(rows, list) or set(content) != {_MARK, "findings"}:
            raise BadBaseline(f"{path} holds something else than a list of findings.")
        return cls(_entry(row, f"{path}, finding {number}") for number, row in enumerate(rows, start=1))

    @classmethod
    def of(cls, scores: Iterable[FontScore], keep: Baseline | None = None) -> Self:
        """Everything that can be accepted of some scores.

        keep: an older baseline; its entries that are about something found stay, with their reasons
        """
        return cls(entry for score in scores for entry in _to_accept(score, keep))

    def apply(self, score: FontScore) -> FontScore:
        """The score with every finding that an entry is about accepted."""
        font = file_name(score.font)
        if score.status is not Status.ERROR:
            self._judged.add(font)
        return replace(
            score,
            findings=self._accepted(score.findings, Entry(font=font, check="")),
            faces=tuple(self._face(face, font) for face in score.faces),
        )

    def unused(self) -> list[Entry]:
        """Entries about fonts that were judged, and about nothing in them: mended since, or mistyped.

        Not those about every font: others may need them.
        """
        return [entry for entry in self.entries if entry.font in self._judged and entry not in self._used]

    def matching(self, found: Entry) -> list[Entry]:
        """The entries about a finding, told as the most exact entry for it."""
        return [
            entry
            for entry in self._by_check.get((found.check, found.codepoint), ())
            if _is_about(entry, found)
        ]

    def write(self, path: Path) -> None:
        """Write it, at once or not at all, sorted, an entry a line: equal baselines give equal files."""
        lines = [json.dumps(entry.to_dict(), ensure_ascii=False) for entry in self.entries]
        body = ",\n    ".join(lines)
        findings = f"[\n    {body}\n  ]" if lines else "[]"
        write_text(path, f'{{\n  "{_MARK}": {_VERSION},\n  "findings": {findings}\n}}\n')

    def _face(self, face: FaceScore, font: str) -> FaceScore:
        whole = Entry(font=font, face=face.name, check="")
        return replace(
            face,
            findings=self._accepted(face.findings, whole),
            glyphs=tuple(self._glyph(verdict, whole) for verdict in face.glyphs),
        )

    def _glyph(self, verdict: Verdict, whole: Entry) -> Verdict:
        if not verdict.findings:
            return verdict
        of_glyph = replace(whole, codepoint=verdict.codepoint, form=verdict.form)
        return replace(verdict, findings=self._accepted(verdict.findings, of_glyph))

    def _accepted(self, findings: tuple[Finding, ...], of: Entry) -> tuple[Finding, ...]:
        return tuple(self._judge(finding, replace(of, check=finding.check)) for finding in findings)

    def _judge(self, finding: Finding, found: Entry) -> Finding:
        entries = self.matching(found) if finding.status in _ACCEPTABLE else []
        self._used.update(entries)
        return replace(finding, accepted=True) if entries else finding


class NewBaseline(Report):
    """A baseline that is written when the scores have come, as other reports are."""

    def __init__(self, path: Path, keep: Baseline | None = None) -> None:
        """keep: as for `Baseline.of`

        Raises:
            BadInput: no file can be written there.
        """
        check_place(path)
        self._path, self._keep = path, keep
        self._entries: set[Entry] = set()

    def add(self, score: FontScore) -> None:
        self._entries.update(_to_accept(score, self._keep))

    def close(self) -> None:
        Baseline(self._entries).write(self._path)

    def discard(self) -> None:
        self._entries.clear()


def _to_accept(score: FontScore, keep: Baseline | None) -> Iterator[Entry]:
    for entry in _found(score):
        yield from (keep.matching(entry) if keep else []) or [entry]


def _is_about(entry: Entry, found: Entry) -> bool:
    """Whether an entry accepts a finding of the same check and code point."""
    in_every_face = entry.face is None and entry.codepoint is not None
    return (
        entry.font in (_ANY, found.font)
        and (in_every_face or entry.face == found.face)
        and entry.form == found.form
    )


def _found(score: FontScore) -> Iterator[Entry]:
    font = file_name(score.font)
    for finding in score.findings:
        if finding.status in _ACCEPTABLE:
            yield Entry(font=font, check=finding.check)
    for face in score.faces:
        whole = Entry(font=font, face=face.name, check="")
        for finding in face.findings:
            if finding.status in _ACCEPTABLE:
                yield replace(whole, check=finding.check)
        for verdict in face.glyphs:
            for finding in verdict.findings:
                if finding.status in _ACCEPTABLE:
                    yield replace(whole, check=finding.check, codepoint=verdict.codepoint, form=verdict.form)


def _order(entry: Entry) -> tuple[str, str, int, str, str, str]:
    codepoint = -1 if entry.codepoint is None else entry.codepoint
    return entry.font, entry.face or "", codepoint, entry.form, entry.check, entry.why


def _entry(row: Any, where: str) -> Entry:
    """Read one entry; `where` it is, for the message."""
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise BadBaseline(f"{where} is no object of texts.")
    unknown = set(row) - {"font", "face", "codepoint", "form", "check", "why"}
    if unknown:
        raise BadBaseline(f"{where} says {sorted(unknown)[0]!r}, which means nothing.")
    if not row.get("font"):
        raise BadBaseline(f"{where} names no font.", 'Write its file name, or "*" for every font.')
    if row.get("check") not in CHECKS:
        raise BadBaseline(f"{where} names no check.", f"The checks are {', '.join(CHECKS)}.")
    codepoint = row.get("codepoint")
    if codepoint is not None and not (_CODE.fullmatch(codepoint) and int(codepoint[2:], 16) <= 0x10FFFF):
        raise BadBaseline(f"{where}: {codepoint!r} is no code point.", "Write it as U+0639.")
    try:
        form = Form(row.get("form", ""))
    except ValueError:
        raise BadBaseline(
            f"{where}: {row['form']!r} is no form.", "The forms are isol, init, medi and fina."
        ) from None
    if form and codepoint is None:
        raise BadBaseline(f"{where} has a form but no code point.")
    return Entry(
        font=row["font"],
        check=row["check"],
        face=row.get("face") or None,
        codepoint=None if codepoint is None else int(codepoint[2:], 16),
        form=form,
        why=row.get("why", ""),
    )
