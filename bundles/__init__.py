"""The shipped models: one folder a bundle, data only."""

from importlib.resources import files
from pathlib import Path

SHIPPED = "levit_128s", "unified_mlp"  # the default first; then the fast one


def default_bundle() -> Path:
    """Folder of the bundle that is used where none is named."""
    return _folder(SHIPPED[0])


def shipped_or(bundle: Path) -> Path:
    """The folder itself, or where there is none of that path, that of the shipped bundle of that name."""
    return _folder(bundle.name) if str(bundle) in SHIPPED and not bundle.exists() else bundle


def is_shipped(bundle: Path) -> bool:
    """Whether it is one of the shipped bundles' folders, which belong to the program."""
    return bundle.resolve() in {_folder(name).resolve() for name in SHIPPED}


def _folder(name: str) -> Path:
    return Path(str(files("bundles"))) / name
