"""Every error a user can meet, as one tree.

GlypheryError                      exit code 1; carries a remedy
├── BadInput                       exit code 2: what was given cannot be used
│   ├── BadLabel
│   ├── BadFont                    broken, or without a single drawable glyph
│   ├── BadPicture                 glyphs.picture draws the tree below it
│   ├── BadDataset
│   ├── BadCheckpoint              (training)
│   ├── BadBundle                  (recognition)
│   ├── BadDocument                (documents)
│   └── BadIndex                   (index)
└── ParityError                    exit code 3: an export disagrees with its checkpoint

A message says what is wrong with which thing; the remedy says what to do next.
"""


class GlypheryError(Exception):
    """Base of every error meant for a user; the command line prints it in one line."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class BadInput(GlypheryError):
    """Something given to Glyphery cannot be used."""

    exit_code = 2


class BadLabel(BadInput):
    """A text that is not a label."""


class BadFont(BadInput):
    """A file that is no font, is broken, or holds no drawable glyph."""


class BadPicture(BadInput):
    """A picture that cannot be read or holds no glyph."""


class BadDataset(BadInput):
    """A dataset that cannot be read, or does not hold what was asked of it."""


class BadCheckpoint(BadInput):
    """A training checkpoint that cannot be read."""


class BadBundle(BadInput):
    """A bundle that is incomplete, altered, or of another shape than it says."""


class BadIndex(BadInput):
    """An index that is incomplete or does not belong to its bundle."""


class ParityError(GlypheryError):
    """An exported model that does not answer as its checkpoint does."""

    exit_code = 3
