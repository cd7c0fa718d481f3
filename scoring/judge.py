"""From evidence to verdicts: what a face's glyphs say of one another decides with what the model says.

A glyph is failed on the model's word alone only where the doubt is great. Where the face itself
speaks against it as well - another glyph has this very outline and the right to it, two glyphs
are each taken for the other, the reflection fits better - less doubt will do.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from glyphs.labels import Form, Label
from recognition.bundle import Bundle
from scoring.mapper import Evidence
from scoring.reader import Claim
from scoring.sandbox import DrawnFace, DrawnGlyph
from scoring.skeletons import same_skeleton
from scoring.verdicts import FaceScore, Finding, Status, Verdict


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Doubt is in nats (`scoring.mapper.doubt`); chosen on validation, see docs/SCORING.md.

    fail: least doubt that fails a glyph on the model's word alone
    supported: the same where the face speaks against it, too
    warn: least doubt that warns
    suspicious: least doubt at which the reflection is looked at
    reflection: by how much less the reflection must be doubted for the glyph to be mirrored
    decorative: share of a face's glyphs in doubt from which it is decorative, of at least `judged` glyphs
    expected: share of the families with a letter that have a form, from which its absence is a failure
    placeholder: characters that one outline may stand for before it counts as a placeholder
    distinct: cosine between two labels' prototypes below which an outline they share is a finding
    """

    fail: float = -1.0
    supported: float = -4.0
    warn: float = -2.5
    suspicious: float = -6.0
    reflection: float = 4.0
    decorative: float = 0.08
    judged: int = 20
    expected: float = 0.8
    placeholder: int = 16
    distinct: float = 0.65


# Characters that have a category of their own but are drawn with nothing.
_INKLESS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0, 0xFFFC,
     0x16FE4, *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xFE00, 0xFE10),
     *range(0xE0100, 0xE01F0)}
)  # fmt: skip
_OGHAM_SPACE = 0x1680  # a space that is a line
_BOXES = frozenset({0x20DE, 0x2395, 0x25A1, 0x25AD, 0x25AF, 0x2610, 0xFFFD})  # may look as .notdef does


def judge(face: DrawnFace, evidence: Mapping[int, Evidence], bundle: Bundle, limits: Thresholds) -> FaceScore:
    """The score of a face.

    evidence: by place of the claim, of those that the model was asked about
    """
    return _Judge(face, evidence, bundle, limits).score()


class _Judge:
    def __init__(
        self, face: DrawnFace, evidence: Mapping[int, Evidence], bundle: Bundle, limits: Thresholds
    ) -> None:
        self._face, self._evidence, self._bundle, self._limits = face, evidence, bundle, limits
        self._place = {label: place for place, label in enumerate(bundle.labels)}
        self._by_shape: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        self._by_label: dict[Label, int] = {}
        for number, claim in enumerate(face.claims):
            drawn = self._drawn(claim)
            if drawn.metrics is not None:
                self._by_shape[_look(drawn)].append(number)
            self._by_label.setdefault(claim.label, number)
        self._joining = {
            claim.label.character.script
            for claim in face.claims
            if claim.label.form not in (Form.NONE, Form.ISOL) and not claim.absent
        }

    def score(self) -> FaceScore:
        face = self._face
        in_doubt = [e.doubt >= self._limits.warn for e in self._evidence.values()]
        decorative = len(in_doubt) >= self._limits.judged and (
            sum(in_doubt) >= self._limits.decorative * len(in_doubt)
        )
        findings = []
        if decorative:
            findings.append(
                Finding(
                    "decorative", Status.WARN,
                    f"{sum(in_doubt)} of {len(in_doubt)} glyphs are not recognised as what they claim to be: "
                    "a decorative, symbol or wrongly encoded face, whose glyphs are not failed one by one.",
                )
            )  # fmt: skip
        findings += self._unshaped()
        verdicts = [self._verdict(number, decorative=decorative) for number in range(len(face.claims))]
        return FaceScore(
            face=face.face, instance=face.instance, family=face.family, style=face.style,
            units_per_em=face.units_per_em, findings=tuple(findings), glyphs=tuple(verdicts),
        )  # fmt: skip

    def _drawn(self, claim: Claim) -> DrawnGlyph:
        return self._face.drawings[claim.drawing]

    def _verdict(self, number: int, *, decorative: bool) -> Verdict:
        claim = self._face.claims[number]
        drawn, evidence = self._drawn(claim), self._evidence.get(number)
        found = self._structural(claim, drawn, evidence)
        if not found and evidence is not None:
            found = self._recognised(number, claim, evidence)
        if not found:
            found = self._duplicate(number, claim)
        if decorative:
            found = [_softened(finding) for finding in found]
        known = claim.label in self._place
        verdict = Verdict(
            codepoint=claim.codepoint, label=claim.label, glyph=drawn.name, index=drawn.index,
            findings=tuple(found), skipped=not known and not found, path=drawn.path, metrics=drawn.metrics,
            equivalents=self._bundle.equivalence.equivalents(claim.label),
        )  # fmt: skip
        if evidence is None:
            return verdict
        return replace(
            verdict, probability=evidence.probability, rank=evidence.rank, margin=evidence.margin,
            likeness=evidence.likeness, top=evidence.top,
        )  # fmt: skip

    def _structural(self, claim: Claim, drawn: DrawnGlyph, evidence: Evidence | None) -> list[Finding]:
        """What shows without recognising anything."""
        if drawn.broken:
            return [Finding("empty", Status.FAIL, f"The glyph cannot be drawn: {drawn.broken}")]
        inked = drawn.metrics is not None
        if not inked:
            if _has_ink(claim.codepoint):
                return [Finding("empty", Status.FAIL, "The character is mapped, but its glyph has no ink.")]
            return []
        if unicodedata.category(chr(claim.codepoint)) == "Zs" and claim.codepoint != _OGHAM_SPACE:
            return [Finding("empty", Status.WARN, "A space is drawn with ink.")]
        if claim.absent:
            return self._absent(claim, evidence)
        fits = evidence is not None and evidence.margin <= 0
        if fits or not _has_ink(claim.codepoint):
            return []
        if drawn.notdef and claim.codepoint not in _BOXES:
            return [Finding("notdef", Status.FAIL, "The glyph is the font's box for missing glyphs.")]
        alike = {self._face.claims[other].label.codepoint for other in self._by_shape[_look(drawn)]}
        if len(alike) > self._limits.placeholder:
            return [
                Finding(
                    "notdef", Status.WARN, f"One outline stands for {len(alike)} characters: a placeholder."
                )
            ]
        return []

    def _absent(self, claim: Claim, evidence: Evidence | None) -> list[Finding]:
        form = claim.label.form
        if claim.label.character.script not in self._joining:  # said once, of the face
            return []
        if evidence is not None and evidence.margin <= 0:  # the design draws both alike
            return []
        isolated = self._place.get(Label(claim.codepoint, Form.ISOL))
        own = self._place.get(claim.label)
        families = self._bundle.families
        usual = (
            isolated is not None
            and own is not None
            and families[own] >= self._limits.expected * families[isolated]
        )
        status = Status.FAIL if usual else Status.WARN
        return [
            Finding("positional-form", status, f"There is no {form} form: the isolated one is drawn for it.")
        ]

    def _unshaped(self) -> list[Finding]:
        """Scripts whose letters the face maps without a single joining form."""
        wanting: dict[str, int] = defaultdict(int)
        for claim in self._face.claims:
            if claim.absent and claim.label.character.script not in self._joining:
                wanting[claim.label.character.script] += 1
        return [
            Finding(
                "positional-form", Status.WARN,
                f"Letters of {script} are mapped, but shaping gives none of them a joining form.",
            )
            for script, forms in sorted(wanting.items())
            if forms >= 3
        ]  # fmt: skip

    def _recognised(self, number: int, claim: Claim, evidence: Evidence) -> list[Finding]:
        """What the model holds against a claim, and which of the checks that is."""
        doubt, limits = evidence.doubt, self._limits
        if doubt < limits.supported:
            return []
        rival = evidence.rival
        partner = self._partner(number, rival)
        mirrored = (
            evidence.reflected is not None
            and evidence.reflected <= doubt - limits.reflection
            and (evidence.reflected < limits.suspicious)
        )
        copied = any(self._same(self._face.claims[other].label, rival) for other in self._twins(number))
        supported = partner is not None or mirrored or copied
        if doubt < (limits.supported if supported else limits.warn):
            return []
        failed = supported or doubt >= limits.fail
        status = Status.FAIL if failed else Status.WARN
        shown = _called(rival)
        sure = f"{shown} ({_share(evidence, rival)})"
        if partner is not None:
            check, message = (
                "swapped",
                f"It shows {sure}, and the glyph of that shows {_called(claim.label)}.",
            )
        elif mirrored:
            check, message = "mirrored", f"Its reflection looks like {_called(claim.label)}, it does not."
        elif rival.codepoint == claim.label.codepoint and rival.form != claim.label.form:
            check, message = "positional-form", f"It shows the {rival.form or 'plain'} form."
        elif same_skeleton(rival, claim.label):
            check, message = "dots", f"It shows {sure}: the same body with other dots or marks."
        elif evidence.known or copied:
            check, message = "identity", f"It shows {sure}."
        else:
            check, status = "unknown", Status.WARN
            message = f"It is like nothing that is known; {shown} comes nearest."
        return [Finding(check, status, message)]

    def _partner(self, number: int, rival: Label) -> int | None:
        """The claim of the rival's own place, if what stands there is taken for this claim in turn."""
        other = self._by_label.get(rival)
        if other is None or other == number:
            return None
        evidence = self._evidence.get(other)
        if evidence is None or evidence.doubt < self._limits.supported:
            return None
        return other if self._same(evidence.rival, self._face.claims[number].label) else None

    def _twins(self, number: int) -> list[int]:
        """Other claims about the same look."""
        drawn = self._drawn(self._face.claims[number])
        return [other for other in self._by_shape[_look(drawn)] if other != number]

    def _duplicate(self, number: int, claim: Claim) -> list[Finding]:
        drawn = self._drawn(claim)
        if drawn.metrics is None or claim.absent or not _has_ink(claim.codepoint):
            return []
        twins = self._twins(number)
        if not twins or len(twins) >= self._limits.placeholder:
            return []
        labels = [self._face.claims[other].label for other in twins]
        others = [label for label in labels if not self._may_look_alike(claim.label, label)]
        # Of a group in which the others are like it, the odd one out is the finding, not each of them.
        if not others or len(others) < len(labels):
            return []
        named = ", ".join(_called(label) for label in others[:3])
        return [Finding("duplicate", Status.WARN, f"It has the very outline of {named}.")]

    def _same(self, first: Label, second: Label) -> bool:
        return self._bundle.equivalence.same(first, second)

    def _may_look_alike(self, first: Label, second: Label) -> bool:
        """Whether two labels drawn as one are no news: one letter, alike in other fonts, or never learned."""
        if first.codepoint == second.codepoint or self._same(first, second):
            return True
        if first not in self._place or second not in self._place:
            return True
        prototypes = self._bundle.prototypes
        usual = float(prototypes[self._place[first]] @ prototypes[self._place[second]])
        return usual >= self._limits.distinct or _casefolded(first) == _casefolded(second)


def _look(drawn: DrawnGlyph) -> tuple[str, int, int]:
    """What two glyphs share that cannot be told apart: outline, height above the line, advance."""
    assert drawn.metrics is not None
    _, _, bottom, advance = drawn.metrics
    return drawn.shape, round(bottom * 1000), round(advance * 1000)


def _casefolded(label: Label) -> str:
    return unicodedata.normalize("NFKC", chr(label.codepoint)).casefold()


def _has_ink(codepoint: int) -> bool:
    return unicodedata.category(chr(codepoint))[0] in "LNPSM" and codepoint not in _INKLESS


def _softened(finding: Finding) -> Finding:
    """In a decorative face what rests on recognition is a warning, for the face has had one already."""
    certain = finding.check in ("empty", "notdef")
    return finding if certain or finding.status is not Status.FAIL else replace(finding, status=Status.WARN)


def _called(label: Label) -> str:
    form = f" {label.form}" if label.form not in (Form.NONE, Form.ISOL) else ""
    return f"U+{label.codepoint:04X} {label.character.name}{form}"


def _share(evidence: Evidence, label: Label) -> str:
    for guess in evidence.top:
        if guess.label == label:
            return f"{guess.probability:.0%}"
    return "unlikely, but likelier"
