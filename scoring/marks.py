"""Whether marks are where they belong and all there: a letter beside its kin in the same face.

A model that has seen thousands of designs forgives a dot that is off its place, or one that is gone; the face
itself does not. Its letters are held against each other, piece of ink by piece of ink:

- A mark stands over its letter or under it, not beside it nor on the other side: what Unicode decomposes
  canonically (UAX #15) can be held against the bare letter.
- A mark has as many pieces on one letter as on the others, and so have the dots of Arabic letters that have
  equally many.

None of it is a matter of taste, and published faces bear it out: docs/SCORING.md tells how rarely they
differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from glyphs.labels import Form, Label
from scoring.composition import ABOVE, BELOW, DOT_ABOVE, Built, decomposed, dots, has_pieces, named_side
from scoring.pieces import Piece, around

_DIAERESIS = "\u0308"
_DOTLESS = {"i": "ı", "j": "ȷ", "і": "ı", "ј": "ȷ"}  # what stands under a mark above
# Marks stand beside their ascenders, horns and descenders, or melt into them.
_REACHING = {ABOVE: frozenset("bdfhkltßþLŁƠơƯư"), BELOW: frozenset("gjpqyQ")}
# A caron beside the letter is an apostrophe; a high hamza belongs there, and a digit that is a mark (ݳ).
# A ring melts into the letter.
_BESIDE_BY_DESIGN, _MELTED = frozenset("ďťľĽǺٵٶٷٸࢷ"), frozenset("ÅǺ\u212b")
_TAILED = frozenset("قن")  # whose dots may become a tail at the end of a word, in Ruqʿa and Dīwānī

_SLACK = 0.03  # em that a mark may reach into the height of its letter
_SAME = 0.01  # em by which a letter may differ from the bare one and be the same
_GAP = 0.01  # em between a letter and what stands beside it
_CLEAR = 0.02  # em of the same, where it is not known what is a mark
_ASTRAY = 0.08  # em from where the same mark stands at other letters, or other marks at this one
_MELTED_WIDTH = 0.05  # em between the width of a bare letter and of that with a mark
_SMALL = 0.35  # of the area of a letter of a joining script: a mark, at most
_OVER_STEM = 0.6  # of the area of i and j without it: their dot, at most
_LOWER = 0.05  # em by which i without its dot is lower than j
_AS_WIDE = 1.3  # times the height of a dot: its width, at most; two that melt are wider
_LOST = 0.7  # of the width of a mark: what is left of it, at most
_AS_LARGE = 1.15  # times the extent of some marks: what is no more than those
_FORMS, _MOST_DOTS = 3, 4  # of a letter that agree; that it may have in them
_KIN, _DOTTED_KIN = 2, 5  # letters that it takes to tell what is usual
_USUAL, _NEARLY_ALL = 0.75, 0.9  # share of them that agree
_NONE_THERE = {ABOVE: "No mark stands above the letter.", BELOW: "No mark stands below the letter."}
_DOT_SIZES = 0.7, 1.4  # of the area that a face's dots have

Box = tuple[float, float, float, float]  # width, height, bottom, advance; em


@dataclass(frozen=True, slots=True)
class _Split:
    """The pieces of a letter: its body, and what is above and below the bare letter.

    foot, top: of the bare letter, em
    """

    foot: float
    top: float
    body: tuple[Piece, ...]
    sides: Mapping[int, tuple[Piece, ...]]


class Marks:
    """What the letters of a face say of one another's marks."""

    def __init__(self, pieces: Mapping[Label, tuple[Piece, ...]], boxes: Mapping[Label, Box]) -> None:
        """pieces: of the labels that bear marks; boxes: of the labels that are not in doubt themselves"""
        self._pieces, self._boxes = pieces, boxes
        self._split: dict[Label, _Split] = {}
        self._same_marks: dict[tuple[int, str], list[Label]] = defaultdict(list)
        self._same_base: dict[tuple[int, Label], list[Label]] = defaultdict(list)
        for label, found in pieces.items():
            built = decomposed(label)
            if built is None or (split := self._parted(built, found)) is None:
                continue
            self._split[label] = split
            for side, marks in built.marks.items():
                self._same_base[side, built.base].append(label)
                self._same_marks[side, marks].append(label)
        self._dot = _dot_of(pieces)
        self._several = {label: len(found) > 1 for label, found in pieces.items() if has_pieces(label)}
        # By how many dots letters have, how many pieces they are.
        self._dotted: dict[int, dict[Label, int]] = defaultdict(dict)
        for label, found in pieces.items():
            if number := abs(dots(label)):
                self._dotted[number][label] = len(self._dots_among(found))

    def astray(self, label: Label, pieces: Sequence[Piece]) -> str:
        """How a letter's marks are out of their place, a sentence; empty where they are not known to be.

        pieces: its own, for a label may have several glyphs
        """
        if not pieces:
            return ""
        largest = max(pieces, key=lambda piece: piece.area)
        if label.character.text in DOT_ABOVE:
            dot = [piece for piece in pieces if piece.area <= _OVER_STEM * largest.area]
            return _astray(dot, [largest], ABOVE)
        built = decomposed(label)
        if label.character.text in _BESIDE_BY_DESIGN or " DIGIT " in label.character.name:
            return ""
        if built is None:  # dots, or marks of other kinds of a joining script
            side = dots(label) or named_side(label)
            own = self._dots_among(pieces) if dots(label) else []
            own = own or [piece for piece in pieces if piece.area <= _SMALL * largest.area]
            body = [piece for piece in pieces if piece not in own]
            said = _astray(own, body, side, "dot" if dots(label) else "mark")
        else:
            said = self._astray_from(label, built, pieces)
        return said or _all_beside(label, pieces)

    def _astray_from(self, label: Label, built: Built, pieces: Sequence[Piece]) -> str:
        """The same of a letter that is built of a bare one and marks."""
        split = self._parted(built, pieces)
        if split is None:
            return ""
        where = (
            self._across(built, split, side) or self._beside(label, built, split, side)
            for side in built.marks
        )
        return next(filter(None, where), "")

    def lost(self, label: Label, pieces: Sequence[Piece]) -> str:
        """What a letter lacks that its kin have, a sentence; empty where nothing is known to be missing.

        pieces: its own, for a label may have several glyphs
        """
        if not pieces:
            return ""
        if label.character.text in DOT_ABOVE:
            return self._lost_over_stem(pieces)
        built = decomposed(label)
        if built is None:
            said = self._lost_dots(label, pieces) if dots(label) else ""
            return said or self._lost_all(label, pieces) or self._fewer(label, pieces)
        split = self._parted(built, pieces)
        if split is None:
            return ""
        where = (
            self._lost_whole(label, built, pieces, side) or self._lost(label, built, split, side)
            for side in built.marks
        )
        return next(filter(None, where), "")

    def _parted(self, built: Built, pieces: Sequence[Piece]) -> _Split | None:
        """None where the face does not tell what the bare letter is like."""
        bare = self._bare(built.base)
        if bare is None:
            return None
        foot, top = bare
        above = tuple(piece for piece in pieces if piece.bottom >= top - _SLACK)
        below = tuple(piece for piece in pieces if piece.top <= foot + _SLACK)
        body = tuple(piece for piece in pieces if piece not in above and piece not in below)
        return _Split(foot, top, body, {ABOVE: above, BELOW: below})

    def _bare(self, base: Label) -> tuple[float, float] | None:
        """Bottom and top of a bare letter, of i and j of what is under the dot."""
        text = base.character.text
        box = self._boxes.get(Label(ord(_DOTLESS.get(text, text)), base.form))
        if box is not None:
            return box[2], box[1] + box[2]
        own = self._pieces.get(base)
        if own and text in _DOTLESS:
            stem = max(own, key=lambda piece: piece.area)
            return stem.bottom, stem.top
        return None

    def _lost(self, label: Label, built: Built, split: _Split, side: int) -> str:
        """Of a letter on whose side there is less than the same marks have elsewhere, or nothing at all."""
        if built.base.character.text in _REACHING[side] or label.character.text in _MELTED:
            return ""
        own = split.sides[side]
        kin = self._of_marks(side, built.marks[side], label)
        usual = _agreed(map(len, kin), _KIN)
        melted = _melted(split, side)
        if len(own) == 1 and built.marks[side] == _DIAERESIS and not melted:
            width, height, _ = _extent(own)
            if width <= _AS_WIDE * height:
                return "Part of its mark is missing."
        if own and usual is None:
            whole = not melted and len(split.body) == 1  # no mark is part of the body
            reduced = whole and self._reduced(built.marks[side], side, own)
            return "One of its marks is missing." if reduced else ""
        if own and usual is not None:
            if len(own) >= usual:
                return ""
            width = median(_width(its) for its in kin if len(its) == usual)
            return "Part of its mark is missing." if _width(own) <= _LOST * width else ""
        same_base = [self._split[other].sides[side] for other in self._same_base[side, built.base]]
        if usual == 0 or (side == BELOW and usual is None):
            return ""  # such marks may melt into the letter
        if len(same_base) > 1 and not any(same_base):
            return ""  # the bare letter is another
        if melted:
            return ""
        return _NONE_THERE[side]

    def _lost_whole(self, label: Label, built: Built, pieces: Sequence[Piece], side: int) -> str:
        """Of a letter of one piece that reaches nowhere where the bare one does not, or is a mark itself."""
        bare = self._boxes.get(built.base)
        if bare is None or len(pieces) > 1 or label.character.text in _BESIDE_BY_DESIGN:
            return ""
        width, height, bottom, _ = bare
        [own] = pieces
        if side == ABOVE and own.bottom >= bottom + height / 2:
            return "Only its mark is there."
        if (own.top > bottom + height + _SAME) if side == ABOVE else (own.bottom < bottom - _SAME):
            return ""
        of_bare = width, bottom, bottom + height
        same = zip((own.right - own.left, own.bottom, own.top), of_bare, strict=True)
        if all(abs(one - other) <= _SAME for one, other in same):
            of_same_base = [other for other in self._same_base[side, built.base] if other != label]
            clear = any(self._split[other].sides[side] for other in of_same_base)
            return _NONE_THERE[side] if clear else ""
        usual = _agreed(map(len, self._of_marks(side, built.marks[side], label)), _KIN)
        return _NONE_THERE[side] if usual else ""

    def _of_marks(self, side: int, marks: str, but: Label | None = None) -> list[tuple[Piece, ...]]:
        """The pieces that these marks are on every letter, or on every other."""
        return [self._split[other].sides[side] for other in self._same_marks[side, marks] if other != but]

    def _lost_all(self, label: Label, pieces: Sequence[Piece]) -> str:
        """Of Arabic letters that are one piece where nearly all that have dots or a hamza are several."""
        at_end = label.form in (Form.ISOL, Form.FINA)
        if len(pieces) > 1 or not has_pieces(label) or (at_end and label.character.text in _TAILED):
            return ""
        kin = [several for other, several in self._several.items() if other != label]
        if len(kin) < _DOTTED_KIN or sum(kin) < _NEARLY_ALL * len(kin):
            return ""
        return "Its dots are missing." if dots(label) else "Its mark is missing."

    def _fewer(self, label: Label, pieces: Sequence[Piece]) -> str:
        """Of a letter of a joining script whose other forms, three of them, have more small pieces."""
        own = _small_besides(pieces)
        others = (Label(label.codepoint, form) for form in Form if form is not label.form)
        theirs = [_small_besides(self._pieces[other]) for other in others if self._pieces.get(other)]
        numbers = {len(small) if small is not None else None for small in theirs}
        marked = has_pieces(label) or " WITH " in label.character.name
        if not marked or own is None or len(theirs) < _FORMS or len(numbers) > 1:
            return ""
        [usual] = numbers
        if usual is None or not len(own) < usual <= _MOST_DOTS:
            return ""
        return "One of its marks is missing." if own else "Its marks are missing."

    def _reduced(self, marks: str, side: int, own: Sequence[Piece]) -> bool:
        """Whether of several marks all but one are there: what is seen is as large as they are alone."""
        for missing in range(len(marks) if len(marks) > 1 else 0):
            kin = self._of_marks(side, marks[:missing] + marks[missing + 1 :])
            usual = _agreed(map(len, kin), _KIN)
            if usual != len(own) or not _agreed(map(len, self._of_marks(side, marks[missing])), _KIN):
                continue
            alone = map(median, zip(*(_extent(its) for its in kin if len(its) == usual), strict=True))
            if all(one <= _AS_LARGE * size for one, size in zip(_extent(own), alone, strict=True)):
                return True
        return False

    def _across(self, built: Built, split: _Split, side: int) -> str:
        """Of a letter that has nothing on the side where its mark belongs, and something where none does."""
        if split.sides[side] or not split.sides[-side] or not split.body or -side in built.marks:
            return ""
        text = built.base.character.text
        if side == BELOW and (text in _DOTLESS or text in _REACHING[BELOW]):  # į has its dot, ģ a comma above
            return ""
        return f"Its mark sits {'below' if side == ABOVE else 'above'} the letter."

    def _beside(self, label: Label, built: Built, split: _Split, side: int) -> str:
        base, own, body = built.base, split.sides[side], split.body
        if not own or not body or _gap(body, own) < _GAP:
            return ""
        bare = self._boxes.get(base)
        if base.character.text not in _DOTLESS and bare and abs(_width(body) - bare[0]) > _MELTED_WIDTH:
            return ""
        offset = _offset(body, own)
        for same in (self._same_marks[side, built.marks[side]], self._same_base[side, base]):
            kin = [
                _offset(other.body, other.sides[side])
                for at in same
                if at != label and (other := self._split[at]).body and other.sides[side]
            ]
            if len(kin) >= _KIN and abs(offset - median(kin)) <= _ASTRAY:
                return ""
        return "Its mark sits beside the letter."

    def _lost_over_stem(self, own: Sequence[Piece]) -> str:
        """Of i, j and their Cyrillic likes."""
        others = (self._pieces.get(Label(ord(text)), ()) for text in sorted(DOT_ABOVE))
        lower = any(len(its) > 1 and own[0].top < around(its).top - _LOWER for its in others)
        return "Its dot is missing." if len(own) == 1 and lower else ""

    def _lost_dots(self, label: Label, pieces: Sequence[Piece]) -> str:
        """Of Arabic letters."""
        own = len(self._dots_among(pieces))
        same = self._dotted[abs(dots(label))]
        usual = _agreed((number for other, number in same.items() if other != label), _DOTTED_KIN)
        if usual is None or own >= usual:
            return ""
        return "One of its dots is missing." if own else "Its dots are missing."

    def _dots_among(self, pieces: Sequence[Piece]) -> list[Piece]:
        least, most = _DOT_SIZES
        return [piece for piece in pieces if least * self._dot <= piece.area <= most * self._dot]


def _agreed(numbers: Iterable[int], least: int) -> int | None:
    """What is usual among numbers of pieces; None where they are fewer than the least, or disagree."""
    counts = Counter(numbers)
    if counts.total() < least:
        return None
    usual, agreeing = counts.most_common(1)[0]
    return usual if agreeing >= _USUAL * counts.total() else None


def _dot_of(pieces: Mapping[Label, tuple[Piece, ...]]) -> float:
    """The area of the dots of a face's Arabic letters, em^2; 0 where there are none."""
    small = [
        piece.area
        for label, found in pieces.items()
        if abs(dots(label)) == 1
        for piece in found
        if len(found) > 1 and piece.area < max(other.area for other in found)
    ]
    return median(small) if small else 0.0


def _astray(own: Sequence[Piece], body: Sequence[Piece], side: int, called: str = "dot") -> str:
    """side: where they belong: above where it is positive, below where it is negative; called: by name"""
    if not own or not body:
        return ""
    under, over = around(body), around(own)
    said = f"Its {called}s sit" if len(own) > 1 else f"Its {called} sits"
    if side > 0 and over.top <= under.bottom:
        return f"{said} below the letter."
    if side < 0 and over.bottom >= under.top:
        return f"{said} above the letter."
    return f"{said} beside the letter." if _gap(body, own) >= _GAP else ""


def _small_besides(pieces: Sequence[Piece]) -> list[Piece] | None:
    """The pieces of a letter besides its largest; None where one of them is too large for a mark."""
    largest = max(pieces, key=lambda piece: piece.area)
    small = [piece for piece in pieces if piece.area <= _SMALL * largest.area]
    return small if len(small) == len(pieces) - 1 else None


def _all_beside(label: Label, pieces: Sequence[Piece]) -> str:
    """Of a letter of a joining script whose small pieces, whatever they are, all stand beside its body."""
    small = _small_besides(pieces)
    if not label.character.joining_group or not small:
        return ""
    body = [piece for piece in pieces if piece not in small]
    return "Its marks stand beside the letter." if _gap(body, small) >= _CLEAR else ""


def _melted(split: _Split, side: int) -> bool:
    """Whether a letter is taller, or deeper, than the bare one: some of its mark is part of its body."""
    ink = [*split.body, *split.sides[-side]]
    if side == ABOVE:
        return bool(ink) and around(ink).top > split.top + _SLACK
    return bool(ink) and around(ink).bottom < split.foot - _SLACK


def _extent(pieces: Sequence[Piece]) -> tuple[float, float, float]:
    """Width, height and area."""
    box = around(pieces)
    return box.right - box.left, box.top - box.bottom, box.area


def _width(pieces: Sequence[Piece]) -> float:
    return _extent(pieces)[0]


def _gap(body: Sequence[Piece], marks: Sequence[Piece]) -> float:
    """Between the two, left or right; negative where one is over the other."""
    under, over = around(body), around(marks)
    return max(over.left - under.right, under.left - over.right)


def _offset(body: Sequence[Piece], marks: Sequence[Piece]) -> float:
    """From the middle of a body to that of its marks, to the right."""
    under, over = around(body), around(marks)
    return (over.left + over.right - under.left - under.right) / 2
