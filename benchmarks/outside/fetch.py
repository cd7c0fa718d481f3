"""Fetching the families of the outside test: npm has each of Google Fonts as a package.

npm checks what it fetches against the sums that its registry keeps. Of each package only the upright font
whose weight is nearest to regular is kept, with the licences.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from glyphs.errors import BadInput
from glyphs.folders import replacing
from glyphs.tables import rows_of

LISTED = Path(__file__).with_name("families.tsv")
_REGULAR = 400
_AT_ONCE = 16  # packages that npm is asked for at a time: it takes half a second to start
_SCOPE = "expo-google-fonts"
_FONT = re.compile(r"package/(?:[^/]+/)?[^/]+_(\d+)[A-Za-z]+\.ttf")
_LICENCES = {"package/LICENSE", "package/LICENSE_FONT"}
_LARGEST = 2**26  # bytes of a file in a package


@dataclass(frozen=True, slots=True)
class Package:
    """One family as npm has it.

    family: as npm writes it, in small letters and with dashes
    kind: what Google Fonts calls it
    """

    family: str
    version: str
    kind: str

    @classmethod
    def listed(cls) -> list[Self]:
        """What the outside test is made of."""
        return [cls(*row) for row in rows_of(LISTED.read_text(encoding="utf-8"))]

    @property
    def spec(self) -> str:
        return f"@{_SCOPE}/{self.family}@{self.version}"


def fetch(packages: Sequence[Package], out: Path, advance: Callable[[int, int], None]) -> list[Package]:
    """Fetch what is not there yet, each into a folder of its own below `out`.

    advance: is told how many are done, and of how many

    Returns:
        Those that npm did not give.

    Raises:
        BadInput: there is no npm.
    """
    if shutil.which("npm") is None:
        raise BadInput("There is no npm, which fetches the fonts.", "Install Node.js.")
    out.mkdir(parents=True, exist_ok=True)
    wanted = [package for package in packages if not (out / package.family).exists()]
    missing = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        given = _fetched(part, out)
        missing += [package for package in part if package not in given]
        advance(min(start + _AT_ONCE, len(wanted)), len(wanted))
    return missing


def _fetched(packages: Sequence[Package], out: Path) -> list[Package]:
    """Those that npm gave. Where one of several is missing it gives none: they are asked for singly then."""
    with TemporaryDirectory(dir=out, prefix=".npm-") as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, *(p.spec for p in packages)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode and len(packages) > 1:
            return [package for one in packages for package in _fetched([one], out)]
        if done.returncode:
            return []
        for package in packages:
            archive = Path(folder, f"{_SCOPE}-{package.family}-{package.version}.tgz")
            unpack(archive, out / package.family)
    return list(packages)


def unpack(archive: Path, folder: Path) -> None:
    """The font of a package that is wanted, and its licences, into a folder: all, or none.

    Raises:
        BadInput: it holds no such font.
    """
    with tarfile.open(archive) as packed, replacing(folder) as new:
        files = {member.name: member for member in packed if member.isfile() and member.size <= _LARGEST}
        for name in (regular(files), *(_LICENCES & files.keys())):
            content = packed.extractfile(files[name])
            assert content is not None  # it is a file
            (new / Path(name).name).write_bytes(content.read())


def regular(names: Iterable[str]) -> str:
    """Of the files of a package its upright font whose weight is nearest to regular.

    Raises:
        BadInput: there is none.
    """
    weights = {name: int(found[1]) for name in names if (found := _FONT.fullmatch(name))}
    if not weights:
        raise BadInput("A package holds no upright font.", "Take its family off the list.")
    return min(weights, key=lambda name: (abs(weights[name] - _REGULAR), weights[name], name))
