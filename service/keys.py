"""API keys: a file with the hash of each, which an operator changes while the service follows.

    # a comment
    name:SHA-256 in hexadecimal
    name:SHA-256 in hexadecimal:admin

A key is 32 random bytes, as `glyphery keys add` makes it. A plain SHA-256 is right for that: there is
nothing to guess that a salt or a slow hash would protect, and every request pays for the hash.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from service.errors import BadSettings

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINE = re.compile(rf"({_NAME.pattern}):([0-9a-f]{{64}})(:admin)?", re.IGNORECASE)
_FORMAT = "Each line is name:sha256 or name:sha256:admin, the hash in hexadecimal; # begins a comment."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key: whose it is, its hash, and whether it opens /admin."""

    name: str
    digest: str
    admin: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.digest}{':admin' * self.admin}"


def new_key(name: str, *, admin: bool = False) -> tuple[str, Key]:
    """A key to be given away, and what is kept of it.

    Raises:
        BadSettings: the name would not fit the file's format.
    """
    if not _NAME.fullmatch(name):
        raise BadSettings(
            f"{name!r} cannot name a key.", "A name is up to 64 Latin letters, digits, dots, dashes and _."
        )
    token = secrets.token_urlsafe(32)
    return token, Key(name, _digest(token), admin)


def key_of(line: str) -> Key | None:
    """The key in a line of the file; None where it is empty or a comment.

    Raises:
        ValueError: it is neither.
    """
    text = line.partition("#")[0].strip()
    if not text:
        return None
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError("no key")
    return Key(match[1], match[2].lower(), bool(match[3]))


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file.

    Raises:
        BadSettings: it cannot be read, or a line of it is no key or has the name of another.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadSettings(
            f"The keys in {path} cannot be read: {error.strerror}.",
            "`glyphery keys add NAME --file FILE` makes such a file.",
        ) from None
    except UnicodeDecodeError:
        raise BadSettings(f"The keys in {path} cannot be read: not UTF-8.", _FORMAT) from None
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        try:
            key = key_of(line)
        except ValueError:
            raise BadSettings(f"Line {number} of {path} is no key.", _FORMAT) from None
        if key and key.name in keys:
            raise BadSettings(f"Line {number} of {path} is a second key {key.name}.", "Rename or remove it.")
        if key:
            keys[key.name] = key
    return tuple(keys.values())


def find_key(keys: Iterable[Key], token: str) -> Key | None:
    """The key that the token is; takes as long whichever it is, and if it is none."""
    digest, found = _digest(token), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


class KeyRing:
    """The keys of a file that may change at any time."""

    def __init__(self, path: Path) -> None:
        """Raises BadSettings where the file cannot be used."""
        self._path = path
        self._stamp = _stamp(path)  # taken first, lest a change be missed while the file is read
        self._keys = read_keys(path)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys as the file has them now; those of before while it cannot be used."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._keys = read_keys(self._path)
            except BadSettings as error:
                log.error("%s Until then the keys of before are in force.", error)
            else:
                log.info("the keys were read again: %d", len(self._keys))
        return self._keys


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
