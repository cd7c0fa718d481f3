"""`glyphery keys`: the API keys of the service, kept as hashes in a file that it follows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
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
    if file.exists():
        if any(name == other.name for other in read_keys(file)):
            raise BadInput(f"{file} has a key {name} already.", "Choose another name, or remove that key.")
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

    if all(name != key.name for key in read_keys(file)):
        raise BadInput(f"{file} has no key {name}.", "`glyphery keys list` shows those there are.")
    lines = file.read_text(encoding="utf-8").splitlines()
    _write(file, [line for line in lines if (key := key_of(line)) is None or key.name != name])


def _write(file: Path, lines: Iterable[str]) -> None:
    """Replace the file at once. A new one is for its owner's eyes only; another keeps owner and mode, lest
    the service lose sight of it.
    """
    from glyphs.errors import BadInput

    unfinished = file.with_name(f"{file.name}.tmp")
    try:
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            if file.exists():
                found = file.stat()
                os.chown(unfinished, found.st_uid, found.st_gid)
                unfinished.chmod(found.st_mode & 0o777)
            written.writelines(f"{line}\n" for line in lines)
            written.flush()
            os.fsync(written.fileno())
        os.replace(unfinished, file)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from None
