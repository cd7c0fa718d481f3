"""How well is the text of a PDF repaired whose fonts say nothing, and how well would it be recognised anew?

A page of Debian's installation guide is set in each font of the frozen list of those that faults are put into
(`benchmarks.fonts`), in each language that the font has the letters of; Chromium prints it, as people print.
Then what its fonts say is taken away (ToUnicode). `documents` repairs it; beside it Tesseract, told the
language, reads the page at 300 dots an inch, which is what people do with such documents. Right is what
copying the page gave before. Run: `python -m scripts.texts`, then `python -m benchmarks.documents`, with
Chromium and Tesseract (eng, rus, ell).
"""

from __future__ import annotations

import html
import shutil
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import pikepdf
import pypdfium2
import typer
from playwright.sync_api import Browser

from benchmarks.fonts.choice import ChosenFont, find, read_choice, spread
from benchmarks.page import browser_at, needed_browser
from benchmarks.tables import Table
from bundles import default_bundle
from documents.repair import read_fonts
from documents.sandbox import Reader
from glyphery import show
from glyphs.characters import character
from glyphs.errors import BadInput
from glyphs.fonts import FontFile
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import Recogniser

# Of the guide, by script, and as Tesseract is told of them: guides name commands.
LANGUAGES = {"en": ("Latn", "eng"), "ru": ("Cyrl", "rus+eng"), "el": ("Grek", "ell+eng")}
_LENGTH = 1500  # characters of a page
_COVERED = 0.995  # of a page's characters, that a font has to have
_IN_SCRIPT = 0.85  # of a page's letters
_DOTS = 300 / 72  # a point


@dataclass(frozen=True, slots=True)
class Reading:
    """errors: edits that a text is away from what is right, for each of its characters
    words: share of the words that are there as they should be; searched: whatever the case
    seconds: that it took
    """

    errors: float
    words: float
    searched: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadPage:
    """silent: as it is copied without what its fonts say"""

    font: str
    language: str
    silent: Reading
    repaired: Reading
    tesseract: Reading | None


def distance(text: str, right: str) -> int:
    """Insertions, deletions and substitutions from one to the other (Levenshtein, 1966)."""
    other = np.frombuffer(right.encode("utf-32-le"), np.uint32)
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for place, one in enumerate(np.frombuffer(text.encode("utf-32-le"), np.uint32), start=1):
        best = np.minimum(row[1:] + 1, row[:-1] + (other != one))
        row = np.minimum.accumulate(np.concatenate(([place], best)) - steps) + steps
    return int(row[-1])


def compare(text: str, right: str, seconds: float) -> Reading:
    """Spaces and ends of lines are alike."""
    text, right = " ".join(text.split()), " ".join(right.split())
    return Reading(
        distance(text, right) / len(right),
        _words(text, right),
        _words(text.casefold(), right.casefold()),
        seconds,
    )


def _words(text: str, right: str) -> float:
    wanted = Counter(right.split())
    return (wanted & Counter(text.split())).total() / wanted.total()


def copied(path: Path) -> str:
    """What copying a document's text gives."""
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def print_page(browser: Browser, page_of: Path, path: Path) -> None:
    """As Chromium prints a page."""
    page = browser.new_page()
    page.goto(page_of.as_uri())
    page.evaluate("document.fonts.ready")
    page.pdf(path=path, format="A4")
    page.close()


def silence(path: Path, out: Path) -> None:
    """Take away what fonts say of their codes."""
    with pikepdf.open(path) as document:
        for held in document.objects:
            if isinstance(held, pikepdf.Dictionary) and "/ToUnicode" in held:
                del held["/ToUnicode"]
        document.save(out)


class Readers:
    """What reads pages: `documents` with a bundle that waits for them, and Tesseract."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._recogniser = Recogniser(Bundle.load(default_bundle()), threads=0)
        self._candidates = Candidates(self._recogniser.bundle, prior=Prior.TEXT)

    def wait(self) -> None:
        """Have a process wait for the next document, as a service has."""
        self._reader.start()
        time.sleep(1)  # it takes half of that to start

    def repair(self, path: Path, out: Path) -> None:
        text, fonts = self._reader.read(path.read_bytes(), self._recogniser.bundle.manifest.raster)
        read = read_fonts(text, fonts, self._recogniser.answer, self._candidates)
        out.write_bytes(self._reader.written({one.font.number: one.texts() for one in read}))

    @staticmethod
    def tesseract(path: Path, language: str) -> str:
        picture = path.with_suffix(".png")
        with pypdfium2.PdfDocument(path) as document:
            document[0].render(scale=_DOTS, grayscale=True).to_pil().save(picture)
        asked = ["tesseract", str(picture), "-", "-l", language]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def passages(font: Path, texts: Path) -> Iterator[tuple[str, str]]:
    """A passage of each language that a font has the characters of."""
    [face, *_] = FontFile.read(font).faces()
    mapped = face.characters()
    for language, (script, _) in LANGUAGES.items():
        passage = _passage((texts / f"{language}.txt").read_text(encoding="utf-8"), script)
        if np.mean([ord(one) in mapped for one in passage if not one.isspace()]) >= _COVERED:
            yield language, passage


def _passage(text: str, script: str) -> str:
    """The first, from a third of the text on, that is in the script, for guides quote English."""
    for start in range(len(text) // 3, len(text), _LENGTH):
        passage = text[text.index("\n", start) :][:_LENGTH]
        letters = [character(ord(one)).script for one in passage if one.isalpha()]
        if letters.count(script) > _IN_SCRIPT * len(letters):
            return passage
    raise BadInput(f"The guide has no page in {script}.")


def measure(fonts: Sequence[tuple[ChosenFont, Path]], texts: Path, browser_path: str) -> Iterator[ReadPage]:
    """Every font in every language that it has."""
    with Reader() as reader, browser_at(browser_path) as browser, TemporaryDirectory() as made:
        readers, folder = Readers(reader), Path(made)
        for font, path in fonts:
            for language, passage in passages(path, texts):
                yield _read(readers, browser, font, path, language, passage, folder)


def _read(
    readers: Readers,
    browser: Browser,
    font: ChosenFont,
    file: Path,
    language: str,
    passage: str,
    folder: Path,
) -> ReadPage:
    printed, silent, repaired = (folder / f"{name}.pdf" for name in ("printed", "silent", "repaired"))
    lines = "".join(f"<p>{html.escape(line)}" for line in passage.splitlines() if line.strip())
    face = f"@font-face {{ font-family: asked; src: url('{file.as_uri()}') }}"
    style = f"<style>{face} body {{ font: 12pt asked }}</style>"
    page = f"<!doctype html><meta charset=utf-8>{style}<body lang={language}>{lines}"
    printed.with_suffix(".html").write_text(page, encoding="utf-8")
    print_page(browser, printed.with_suffix(".html"), printed)
    right = copied(printed)
    silence(printed, silent)
    readers.wait()
    begun = time.perf_counter()
    readers.repair(silent, repaired)
    took = time.perf_counter() - begun
    recognised = None
    if shutil.which("tesseract"):
        begun = time.perf_counter()
        text = readers.tesseract(silent, LANGUAGES[language][1])
        recognised = compare(text, right, time.perf_counter() - begun)
    return ReadPage(
        font.title,
        language,
        compare(copied(silent), right, 0.0),
        compare(copied(repaired), right, took),
        recognised,
    )


def _main(
    split: Annotated[str, typer.Option(help="Families to set pages in: validation or test.")] = "validation",
    fonts: Annotated[Path, typer.Option(help="Folder in which the fonts are.")] = Path("/usr/share/fonts"),
    texts: Annotated[Path, typer.Option(help="Folder of texts, LANGUAGE.txt.")] = Path("runs/texts/guide"),
    limit: Annotated[int, typer.Option(help="Of so many fonts; 0 for all.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print every page as a line of JSON.")] = False,
) -> None:
    """Errors in the text of repaired pages, beside Tesseract's."""
    browser_path = needed_browser()
    chosen = spread(list(find(read_choice(Split(split)), fonts).items()), limit)
    read: list[ReadPage] = []
    with show.bar("Pages", len(chosen)) as advance:
        for page in measure(chosen, texts, browser_path):
            advance(len({one.font for one in read}), note=page.font)
            read.append(page)
            if json:
                show.as_json(asdict(page))
    if not json:
        print(_table(read, split).markdown())


def _table(read: Sequence[ReadPage], split: str) -> Table:
    by_language: dict[str, list[ReadPage]] = defaultdict(list)
    for page in read:
        by_language[page.language].append(page)
    cells = []
    for language, pages in by_language.items():
        kinds = {
            "as it is": [page.silent for page in pages],
            "repaired": [page.repaired for page in pages],
            "Tesseract": [page.tesseract for page in pages if page.tesseract],
        }
        for kind, readings in kinds.items():
            if readings:
                cells.append((language, f"{len(pages)}", kind, *_means(readings)))
    columns = (
        "language",
        "pages",
        "",
        "characters wrong",
        "median",
        "words",
        "words, any case",
        "seconds a page",
    )
    return Table(f"Pages in fonts of {split} families", columns, cells)


def _means(readings: Sequence[Reading]) -> tuple[str, ...]:
    errors = [reading.errors for reading in readings]
    shares = (
        statistics.mean(errors), statistics.median(errors),
        statistics.mean(reading.words for reading in readings),
        statistics.mean(reading.searched for reading in readings),
    )  # fmt: skip
    seconds = statistics.median(reading.seconds for reading in readings)
    return (*(f"{100 * share:.1f}" for share in shares), f"{seconds:.1f}")


if __name__ == "__main__":
    typer.run(_main)
