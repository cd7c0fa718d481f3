"""A whole run: every font judged clean and faulted, figures, lists and contact sheets written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from benchmarks.fonts import lists, measure, report, sheets
from benchmarks.fonts.choice import ChosenFont, find, read_rows
from benchmarks.fonts.faults import faulted
from benchmarks.fonts.judgements import Figures, Judged, code_digest
from benchmarks.fonts.kinds import KINDS
from benchmarks.fonts.outcomes import FontOutcome, measured
from benchmarks.fonts.subject import Subject
from benchmarks.glyphs.labels import AskedLabels
from benchmarks.glyphs.results import Results
from benchmarks.tables import Table
from glyphery import show
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from scoring.score import Scorer

DEFECTS = Path(__file__).with_name("real-defects.tsv")


def run(
    fonts: Sequence[ChosenFont],
    split: Split,
    folder: Path,
    bundle: Bundle,
    out: Path,
    copies: int,
    threads: int,
) -> Figures:
    """Judge what was not judged yet by this bundle and these lines, and write everything into `out`.

    Raises:
        BadInput: a font is not there, or cannot be edited.
    """
    defects = measure.parse_defects(read_rows(DEFECTS))
    paths = find(fonts, folder)
    asked = frozenset(AskedLabels.read().labels)
    inputs = {"bundle": bundle.digest, "scoring": code_digest()}
    results = Results(out / "parts", inputs)
    outcomes: list[FontOutcome] = []
    with Scorer(Recogniser(bundle), lanes=threads) as scorer, show.bar("Fonts", len(fonts)) as advance:
        for number, font in enumerate(fonts):
            advance(number, note=font.title)
            judge = _judge(font, scorer, results)
            outcomes.append(measured(font, paths[font], asked, copies, judge))
        advance(len(fonts), note="")
    figures = {"split": str(split), **inputs, "copies": copies, **measure.figures(outcomes, defects)}
    out.mkdir(parents=True, exist_ok=True)
    (out / "faults.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    (out / "faults.md").write_text(report.markdown(figures), encoding="utf-8")
    lists.write_all(outcomes, defects, out)
    sheets.write(sheets.false_fails(outcomes, defects), out / "false-fails.png")
    sheets.write(sheets.missed(outcomes), out / "missed.png")
    return figures


def count(fonts: Sequence[ChosenFont], folder: Path, copies: int) -> Table:
    """What would be put into the fonts, by kind, without judging anything. Raises BadInput."""
    paths = find(fonts, folder)
    asked = frozenset(AskedLabels.read().labels)
    found: Counter[tuple[str, bool]] = Counter()
    with show.bar("Fonts", len(fonts)) as advance:
        for number, font in enumerate(fonts):
            advance(number, note=font.title)
            for copy in faulted(Subject(paths[font].read_bytes(), asked), copies):
                found.update((fault.kind, fault.arabic) for fault in copy.faults)
        advance(len(fonts), note="")
    rows = [
        (KINDS[kind].title, f"{found[kind, True]:,}", f"{found[kind, False]:,}",
         f"{found[kind, True] + found[kind, False]:,}")
        for kind in KINDS
    ]  # fmt: skip
    arabic = sum(number for (_, is_arabic), number in found.items() if is_arabic)
    rows.append(("all", f"{arabic:,}", f"{found.total() - arabic:,}", f"{found.total():,}"))
    families = len({font.family for font in fonts})
    title = f"Faults put into {copies} copies of each of {len(fonts)} fonts of {families} families"
    return Table(title, ("kind", "Arabic", "other", "all"), rows)


def _judge(font: ChosenFont, scorer: Scorer, results: Results) -> Callable[[str, bytes], Judged]:
    def judge(name: str, data: bytes) -> Judged:
        part = f"{font.sha256[:16]}-{name}"
        figures = results.part(
            part,
            lambda: Judged.of(scorer.score(font.file, data)).to_figures(),
            digest=sha256(data).hexdigest(),
        )
        return Judged.from_figures(figures)

    return judge
