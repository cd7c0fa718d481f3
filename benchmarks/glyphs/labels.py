"""The frozen list of labels that the benchmark asks: `labels.txt`, one a line with its family count."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from glyphs.errors import BadInput, BadLabel
from glyphs.labels import Label

FROZEN = Path(__file__).with_name("labels.txt")
_HEADER = "# The labels that the benchmark asks, and how many training families had each when frozen.\n"


@dataclass(frozen=True, slots=True)
class AskedLabels:
    """families: of each label, in the same order"""

    labels: tuple[Label, ...]
    families: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the labels and of their counts, which decide what is on shorter lists."""
        return sha256(" ".join(map(str, (*self.labels, *self.families))).encode()).hexdigest()

    @classmethod
    def read(cls, path: Path = FROZEN) -> Self:
        """Read what `write` wrote.

        Raises:
            BadInput: there is no such file, or a line is not a label and a number.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            pairs = [line.split() for line in lines if not line.startswith("#")]
            rows = [(Label.parse(label), int(count)) for label, count in pairs]
        except OSError as error:
            raise BadInput(f"There is no list of labels at {path}: {error.strerror}.") from None
        except (ValueError, BadLabel) as error:
            raise BadInput(
                f"{path} is no list of labels: {error}.", "Rewrite it: benchmarks.glyphs.freeze."
            ) from None
        return cls(tuple(label for label, _ in rows), tuple(count for _, count in rows))

    def write(self, path: Path = FROZEN) -> None:
        rows = (f"{label}\t{count}\n" for label, count in zip(self.labels, self.families, strict=True))
        path.write_text(_HEADER + "".join(rows), encoding="utf-8")
