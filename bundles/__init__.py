"""The shipped default models: one folder a bundle, data only."""

from importlib.resources import files
from pathlib import Path

DEFAULT = "levit_128s"


def default_bundle() -> Path:
    """Folder of the bundle that is used where none is named."""
    return Path(str(files("bundles"))) / DEFAULT
