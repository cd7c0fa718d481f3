"""`glyphery keys`: the API keys of the service, kept as hashes in a file that it follows."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from glyphery import show

app = typer.Typer(
    no_args_is_help=True, help="Make, list and revoke the API keys that `serve --keys FILE` asks for."
)
_File = Annotated[Path, typer.Option("--file", envvar="GLYPHERY_KEYS", help="The file of keys.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    file: _File,
    admin: Annotated[bool, typer.Option("--admin", help="The key also opens /admin.")] = False,
) -> None:
    """Make a key and print it, this once: the file keeps its hash alone."""
    from glyphs.errors import BadInput
    from service.keys import new_key, read_keys

    token, key = new_key(name, admin=admin)
    lines: list[str] = []
    with _alone(file) as file:
        if file.exists():
            if any(name == other.name for other in read_keys(file)):
                raise BadInput(
                    f"{file} has a key {name} already.", "Choose another name, or remove that key."
                )
            lines = file.read_text(encoding="utf-8").splitlines()
        _write(file, [*lines, str(key)])
    print(token)
    print(f"This key of {name} is not shown again.", file=sys.stderr)


@app.command("list")
def list_(file: _File) -> None:
    """List whose keys there are."""
    from service.keys import read_keys

    keys = read_keys(file)
    rows = ((key.name, "yes" if key.admin else "no", key.digest[:16]) for key in keys)
    show.table(str(file), ("name", "admin", "SHA-256 begins"), rows)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Whose key it is.")], file: _File) -> None:
    """Revoke a key: a service at work refuses it from its next request on."""
    from glyphs.errors import BadInput
    from service.keys import key_of, read_keys

    with _alone(file) as file:
        if all(name != key.name for key in read_keys(file)):
            raise BadInput(f"{file} has no key {name}.", "`glyphery keys list` shows those there are.")
        lines = file.read_text(encoding="utf-8").splitlines()
        _write(file, [line for line in lines if (key := key_of(line)) is None or key.name != name])


@contextmanager
def _alone(file: Path) -> Iterator[Path]:
    """The file, or the one that a link leads to, while no other `glyphery keys` changes it.

    Raises:
        BadInput: its folder cannot be opened.
    """
    from glyphs.folders import written

    file = Path(os.path.realpath(file))
    with written(file):
        folder = os.open(file.parent, os.O_RDONLY)  # which stays, while the file is replaced
    try:
        with suppress(OSError):  # some file systems know no locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(folder)


def _write(file: Path, lines: Iterable[str]) -> None:
    """Replace the file at once. A new one is for its owner's eyes only; another keeps owner and mode, lest
    the service lose sight of it.

    Raises:
        BadInput: it cannot be written.
    """
    from glyphs.folders import written

    unfinished = file.with_name(f"{file.name}.tmp")
    with written(file):
        unfinished.unlink(missing_ok=True)  # of one that was killed
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as text:
                if file.exists():
                    found = file.stat()
                    os.chown(unfinished, found.st_uid, found.st_gid)
                    unfinished.chmod(found.st_mode & 0o777)
                text.writelines(f"{line}\n" for line in lines)
                text.flush()
                os.fsync(text.fileno())
            os.replace(unfinished, file)
        finally:
            unfinished.unlink(missing_ok=True)
