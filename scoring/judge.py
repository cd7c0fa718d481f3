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
from functools import cached_property

import numpy as np

from glyphs.characters import code
from glyphs.labels import Form, Label
from recognition.bundle import Bundle
from scoring.forms import JOINS_NOT, Forms
from scoring.mapper import Evidence, folded
from scoring.marks import Marks
from scoring.reader import Claim
from scoring.sandbox import DrawnFace, DrawnGlyph
from scoring.skeletons import same_skeleton
from scoring.verdicts import FaceScore, Finding, Status, Verdict


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Doubt is in nats (`scoring.mapper.doubt`); chosen on validation, see docs/SCORING.md.

    fail: least doubt that fails a glyph on the model's word alone
    strange: the same of a glyph that is like nothing that is known, where the face is not plain: there a
        design may be, too
    supported: the same where the face speaks against it, too
    warn: least doubt that warns
    usual: doubt that nine of ten glyphs of a text face stay under; where a face's own are above it, because
        its design is unusual, the doubt that fails and warns rises by as much. For scripts whose glyphs are
        plain it is three of four, lest many defects be taken for a design
    suspicious: least doubt at which the reflection is looked at
    reflection: by how much less the reflection must be doubted for the glyph to be mirrored
    upright: greatest doubt about the reflection then
    decorative: share of a face's glyphs in doubt from which it is decorative, of at least `judged` glyphs
    plain: median doubt up to which a face, or a script in it, is plain text, whose doubts are defects, unless
        as many are in doubt as `encoded`
    encoded: share of glyphs in doubt from which any face is another script's or a symbol font
    outdone: by how much more a glyph must be doubted than another with its outline, to be the copy
    recognised: probability of a claim from which no mark of it is taken to be missing
    expected: share of the families with a letter that have a form, from which its absence is a failure
    placeholder: characters that one outline may stand for before it counts as a placeholder
    distinct: cosine between two labels' prototypes below which an outline they share is a finding
    """

    fail: float = 4.4
    strange: float = 8.2
    supported: float = -3.1
    warn: float = -2.4
    usual: float = -8.5
    suspicious: float = -8.3
    reflection: float = 5.0
    upright: float = -4.9
    decorative: float = 0.14
    plain: float = -13.8
    encoded: float = 0.25
    judged: int = 20
    outdone: float = 3.0
    recognised: float = 0.5
    expected: float = 0.8
    placeholder: int = 16
    distinct: float = 0.64


# Characters that have a category of their own but are drawn with nothing.
_INKLESS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0, 0xFFFC,
     0x16FE4, 0x1D159, *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xFE00, 0xFE10),
     *range(0xE0100, 0xE01F0)}
)  # fmt: skip
# Drawn as one by some designs, however little by others: in italics, and the signs of pound and lira, which
# the Unicode Standard (22.1, "Currency Symbols") calls two designs of one.
_AS_ONE = tuple({ord(first), ord(second)} for first, second in ("дg", "иu", "пn", "тm", "£₤"))
# Vowels of Khmer in two parts: shaping sets the one before the consonant by itself, and whether the glyph has
# it, too, is the font's affair.
_IN_TWO_PARTS = frozenset({0x17BE, 0x17BF, 0x17C0, 0x17C4, 0x17C5})
_DESIGN = 2  # others that are drawn like one, at least, for it to be a design and no fault
_OGHAM_SPACE = 0x1680  # a space that is a line
_NO_INK = (0.0, 0.0, 0.0, 0.0)
_BOXES = frozenset({0x20DE, 0x2395, 0x25A1, 0x25AD, 0x25AF, 0x2610, 0xFFFD})  # may look as .notdef does


def judge(
    face: DrawnFace,
    evidence: Mapping[int, Evidence],
    bundle: Bundle,
    places: Mapping[Label, int],
    limits: Thresholds,
) -> FaceScore:
    """The score of a face.

    evidence: by place of the claim, of those that the model was asked about
    places: of the bundle's labels
    """
    return _Judge(face, evidence, bundle, places, limits).score()


class _Judge:
    def __init__(
        self,
        face: DrawnFace,
        evidence: Mapping[int, Evidence],
        bundle: Bundle,
        places: Mapping[Label, int],
        limits: Thresholds,
    ) -> None:
        self._face, self._evidence, self._limits = face, evidence, limits
        self._bundle, self._place = bundle, places
        self._by_shape: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._by_label: dict[Label, int] = {}
        self._counts: dict[tuple[str, int], int] = {}
        for number, claim in enumerate(face.claims):
            drawn = self._drawn(claim)
            if drawn.metrics is not None:
                self._by_shape[_look(drawn)].append(number)
            self._by_label.setdefault(claim.label, number)
        # What accented letters are held against: bare letters that are not in doubt themselves.
        boxes = {
            claim.label: self._drawn(claim).metrics or _NO_INK
            for number, claim in enumerate(face.claims)
            if number in evidence and evidence[number].doubt < limits.warn
        }
        glyphs = {label: self._drawn(face.claims[number]) for label, number in self._by_label.items()}
        self._marks = Marks({label: glyph.pieces for label, glyph in glyphs.items() if glyph.pieces}, boxes)
        self._forms = Forms(
            (label, _look(glyph))
            for label, glyph in glyphs.items()
            if label.character.joining_group
            and glyph.metrics is not None
            and not face.claims[self._by_label[label]].absent
        )
        by_script: dict[str, list[float]] = defaultdict(list)
        for number, asked in evidence.items():
            if not face.claims[number].absent:
                by_script[face.claims[number].label.character.script].append(asked.doubt)
        self._doubts = np.array([doubt for doubts in by_script.values() for doubt in doubts])
        self._unusual: dict[str, float] = defaultdict(float)
        self._plain: set[str] = set()
        self._enough = len(self._doubts) >= max(1, limits.judged)
        if self._enough:
            # Defects, unlike designs, leave the median alone; then the most doubtful tenth may be defects.
            three_of_four, nine_of_ten = np.maximum(
                np.quantile(self._doubts, (0.75, 0.9)) - limits.usual, 0.0
            ).tolist()
            for script, doubts in by_script.items():
                plain = float(np.median(doubts)) <= limits.plain
                self._unusual[script] = three_of_four if plain else nine_of_ten
                if plain:
                    self._plain.add(script)
        self._joining = {
            claim.label.character.script
            for claim in face.claims
            if claim.label.form.joined and not claim.absent
        }

    def score(self) -> FaceScore:
        face, judged, limits = self._face, len(self._doubts), self._limits
        in_doubt = int((self._doubts >= limits.warn).sum())
        decorative = self._enough and in_doubt >= judged * (
            limits.encoded if float(np.median(self._doubts)) <= limits.plain else limits.decorative
        )
        findings = []
        if decorative:
            findings.append(
                Finding(
                    "decorative", Status.WARN,
                    f"{in_doubt} of {judged} glyphs are not recognised as what they claim to be: "
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
        if not found and claim.absent:
            found = self._absent(claim, evidence)
        elif not found and evidence is not None:
            found = self._recognised(number, claim, evidence)
        if not found:
            found = self._duplicate(number, claim)
        if decorative:
            found = [_softened(finding) for finding in found]
        judged = claim.label in self._place and not claim.absent and not drawn.coloured
        return Verdict(
            codepoint=claim.codepoint, label=claim.label, glyph=drawn.name, index=drawn.index,
            findings=tuple(found), skipped=not judged and not found,
            probability=evidence.probability if evidence else None, rank=evidence.rank if evidence else None,
            margin=evidence.margin if evidence else None, likeness=evidence.likeness if evidence else None,
            top=evidence.top if evidence else (), path=drawn.path, metrics=drawn.metrics,
            equivalents=self._bundle.equivalence.equivalents(claim.label),
        )  # fmt: skip

    def _structural(self, claim: Claim, drawn: DrawnGlyph, evidence: Evidence | None) -> list[Finding]:
        """What shows without recognising anything."""
        if drawn.broken:
            return [Finding("empty", Status.FAIL, f"The glyph cannot be drawn: {drawn.broken}")]
        inked = drawn.metrics is not None
        if not inked:
            if _has_ink(claim.codepoint) and not drawn.coloured:
                return [Finding("empty", Status.FAIL, "The character is mapped, but its glyph has no ink.")]
            return []
        if unicodedata.category(chr(claim.codepoint)) == "Zs" and claim.codepoint != _OGHAM_SPACE:
            return [Finding("empty", Status.WARN, "A space is drawn with ink.")]
        fits = evidence is not None and evidence.margin <= 0
        if fits or not _has_ink(claim.codepoint):
            return []
        if drawn.notdef and claim.codepoint not in _BOXES:
            return [Finding("notdef", Status.FAIL, "The glyph is the font's box for missing glyphs.")]
        alike = self._characters(drawn)
        if alike > self._limits.placeholder:
            message = f"One outline stands for {alike} characters: a placeholder."
            return [Finding("notdef", Status.WARN, message)]
        return []

    def _characters(self, drawn: DrawnGlyph) -> int:
        """How many characters have a look; counted once, for it may be that of all the face's."""
        look = _look(drawn)
        if look not in self._counts:
            claims = self._face.claims
            self._counts[look] = len({claims[other].label.codepoint for other in self._by_shape[look]})
        return self._counts[look]

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
            Finding(
                "positional-form", status, f"There is no {form.words} form: the isolated one is drawn for it."
            )
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
        """What the model and the face hold against a claim, and which of the checks that is."""
        limits, rival, own = self._limits, evidence.rival, claim.label
        if may_be_a_part(own, rival):
            return []
        if fault := self._fault_of_marks(claim, evidence):
            return [Finding("dots", Status.FAIL, fault)]
        if form := self._other_form(number, evidence):
            message = f"It has the very outline of the {form.words or 'plain'} form."
            return [Finding("positional-form", Status.FAIL, message)]
        doubt = evidence.doubt - self._unusual[own.character.script]
        copied = self._copied(number, evidence)
        shown = f"{_called(rival)}{_share(evidence, rival)}"
        if doubt >= limits.supported and self._partner(number, rival):
            message = f"It shows {shown}, and the glyph of that shows {_called(own)}."
            return [Finding("swapped", Status.FAIL, message)]
        upright = min(limits.upright, doubt - limits.reflection)
        if evidence.reflected is not None and evidence.reflected <= upright and not copied:
            message = f"Its reflection looks like {_called(own)}, it does not."
            if self._turned_by_design(own):
                return [Finding("mirrored", Status.WARN, f"{message} Nor do others with the same mark.")]
            return [Finding("mirrored", Status.FAIL, message)]
        if doubt >= (limits.supported if copied else limits.fail):
            status = Status.FAIL
        elif doubt >= limits.warn:
            status = Status.WARN
        else:
            return []
        if rival.codepoint == own.codepoint and rival.form != own.form:
            return [Finding("positional-form", status, f"It shows the {rival.form.words or 'plain'} form.")]
        if same_skeleton(rival, own):
            return [Finding("dots", status, f"It shows {shown}: the same body with other dots or marks.")]
        best = evidence.top[0].label
        nearest = copied or (rival if self._same(best, own) else best)
        if evidence.known or copied:
            message = f"It shows {_called(nearest)}{_share(evidence, nearest)}."
            return [Finding("identity", status, message)]
        if doubt < limits.strange and own.character.script not in self._plain:
            status = Status.WARN
        message = f"It is like nothing that is known; {_called(nearest)} comes nearest."
        return [Finding("unknown", status, message)]

    def _fault_of_marks(self, claim: Claim, evidence: Evidence) -> str:
        """What the face says against a claim's marks, a sentence."""
        pieces = self._drawn(claim).pieces
        fault = self._marks.astray(claim.label, pieces)
        if not fault and evidence.probability < self._limits.recognised:
            fault = self._marks.lost(claim.label, pieces)
        return fault

    def _other_form(self, number: int, evidence: Evidence) -> Form | None:
        """The form of its letter whose outline a claim has, and which it fits better."""
        own = self._face.claims[number].label
        for other in self._twins(number):
            label, its = self._face.claims[other].label, self._evidence.get(other)
            if label.codepoint != own.codepoint or label.form is own.form or its is None:
                continue
            if self._same(own, label) or its.margin >= evidence.margin:
                continue
            if self._forms.oddly_alike(own, label.form):
                return label.form
        return None

    @cached_property
    def _with_marks(self) -> dict[frozenset[str], dict[int, bool]]:
        """By marks, the code points that have them, and whether their reflections fit better than they do.

        Few faces have a mirrored glyph, for which alone it is wanted.
        """
        found: dict[frozenset[str], dict[int, bool]] = defaultdict(dict)
        for number, asked in self._evidence.items():
            claim, least = self._face.claims[number], asked.doubt - self._limits.reflection / 2
            if marks := _marks(claim.label):
                found[marks][claim.codepoint] = asked.reflected is not None and asked.reflected <= least
        return found

    def _turned_by_design(self, own: Label) -> bool:
        """Whether the reflections of a good part of the characters with the same marks fit better, too."""
        kin = self._with_marks.get(_marks(own), {})
        others = [better for codepoint, better in kin.items() if codepoint != own.codepoint]
        return sum(others) >= max(_DESIGN, len(others) / 3)

    def _copied(self, number: int, evidence: Evidence) -> Label | None:
        """What a claim has the outline of, and is taken for or fits much better: that it is copied from."""
        own = self._face.claims[number].label
        for other in self._twins(number):
            label, its = self._face.claims[other].label, self._evidence.get(other)
            if _as_one(own, label):
                continue
            if self._same(label, evidence.rival):
                return evidence.rival
            outdone = its is not None and its.doubt <= evidence.doubt - self._limits.outdone
            if outdone and not self._may_look_alike(own, label):
                return label
        return None

    def _partner(self, number: int, rival: Label) -> bool:
        """Whether what stands in the place of the rival, or of its like, is taken for this claim in turn."""
        own = self._face.claims[number].label
        for label in (rival, *self._bundle.equivalence.equivalents(rival)):
            evidence = self._evidence.get(self._by_label.get(label, number))
            if evidence is None or evidence.doubt < self._limits.supported:
                continue
            if self._same(evidence.rival, own) and not self._same(rival, own):
                return True
        return False

    def _twins(self, number: int) -> list[int]:
        """Other claims about the same look; none of a placeholder's, which all characters may share."""
        alike = self._by_shape[_look(self._drawn(self._face.claims[number]))]
        return [other for other in alike if other != number] if len(alike) <= self._limits.placeholder else []

    def _duplicate(self, number: int, claim: Claim) -> list[Finding]:
        """An outline that a glyph shares with characters that look otherwise in other fonts."""
        drawn = self._drawn(claim)
        if drawn.metrics is None or claim.absent or not _has_ink(claim.codepoint):
            return []
        twins = self._twins(number)
        unlike = [n for n in twins if not self._may_look_alike(claim.label, self._face.claims[n].label)]
        if not unlike:
            return []
        right = [n for n in unlike if self._is_first(n)]
        if self._is_first(number) and not right:
            return []  # it is the others that have its outline
        labels = [self._face.claims[n].label for n in right or unlike]
        named = ", ".join(dict.fromkeys(map(_called, labels[:3])))
        if not right or self._is_first(number):
            if len(unlike) < len(twins):  # of a group, the odd one out is the finding
                return []
            return [Finding("duplicate", Status.WARN, f"It has the very outline of {named}.")]
        if any(label.codepoint == claim.label.codepoint for label in labels):
            message = f"It has the very outline of the {labels[0].form.words or 'plain'} form."
            return [Finding("positional-form", Status.FAIL, message)]
        check = "dots" if any(same_skeleton(label, claim.label) for label in labels) else "identity"
        return [Finding(check, Status.FAIL, f"It has the very outline of {named}, which it shows.")]

    def _is_first(self, number: int) -> bool:
        evidence = self._evidence.get(number)
        return evidence is not None and evidence.rank == 1

    def _same(self, first: Label, second: Label) -> bool:
        return self._bundle.equivalence.same(first, second)

    def _may_look_alike(self, first: Label, second: Label) -> bool:
        """Whether two labels drawn as one are no news: alike in other fonts, one letter, or never learned."""
        if self._same(first, second) or _as_one(first, second) or may_be_a_part(first, second):
            return True
        lone = [label for label in (first, second) if label.codepoint == JOINS_NOT]
        if len(lone) == 2 or any(label.form.joins_after for label in lone):
            return True
        if first not in self._place or second not in self._place:
            return True
        prototypes = self._bundle.prototypes
        usual = float(prototypes[self._place[first]] @ prototypes[self._place[second]])
        cased = first.form == second.form and folded(first) == folded(second)
        return usual >= self._limits.distinct or cased


def _look(drawn: DrawnGlyph) -> tuple[str, int]:
    """What a copy of an outline keeps: the shape and its height above the line, not always its advance."""
    assert drawn.metrics is not None
    return drawn.shape, round(drawn.metrics[2] * 1000)


def _as_one(first: Label, second: Label) -> bool:
    return {first.codepoint, second.codepoint} in _AS_ONE


def may_be_a_part(first: Label, second: Label) -> bool:
    """Whether one may be drawn as the other, a vowel of the same script, with which shaping completes it."""
    if not _IN_TWO_PARTS & {first.codepoint, second.codepoint}:
        return False
    return first.character.script == second.character.script


def _marks(label: Label) -> frozenset[str]:
    """The marks that a character has, or is: of ñ, ˜ and U+0303 the tilde."""
    return frozenset(filter(unicodedata.combining, unicodedata.normalize("NFKD", chr(label.codepoint))))


def _has_ink(codepoint: int) -> bool:
    return unicodedata.category(chr(codepoint))[0] in "LNPSM" and codepoint not in _INKLESS


def _softened(finding: Finding) -> Finding:
    """In a decorative face what rests on recognition is a warning, for the face has had one already."""
    certain = finding.check in ("empty", "notdef")
    return finding if certain or finding.status is not Status.FAIL else replace(finding, status=Status.WARN)


def _called(label: Label) -> str:
    form = f", {label.form.words}" if label.form.joined else ""
    return f"{code(label.codepoint)} {label.character.name}{form}"


def _share(evidence: Evidence, label: Label) -> str:
    """How likely a label is, in brackets, where it is likely at all."""
    for guess in evidence.top:
        if guess.label == label and guess.probability >= 0.05:
            return f" ({guess.probability:.0%})"
    return ""
