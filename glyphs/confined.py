"""Programs of ours that parse what may be hostile, each in a process of its own, with limits.

A hostile file can make a parser take all memory, loop, or crash. Here that kills a process which holds
nothing else. What it says comes as messages (`glyphs.pipe`), JSON and bytes, never pickled: a file that has
taken the process over has no way into its parent but numbers and text, and whoever hears these looks whether
they make sense.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from glyphs.errors import GlypheryError
from glyphs.pipe import LENGTHS, Patience, send, take

# What an answer that breaks off, comes late or is none can raise.
NO_ANSWER = (
    OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError
)  # fmt: skip
_BY_THE_CLOCK = 10  # seconds that a program is waited for, for one of computing
_MIB = 2**20
_HALVES = re.compile("[\ud800-\udfff]")


class NoReader(GlypheryError):
    """There is no process to read files, which says nothing of any file."""

    def __init__(self) -> None:
        super().__init__("The process that reads files does not start.")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a program did not answer as it should.

    reason: a sentence about what it read
    killed: somebody else ended it, which may be no fault of what it read
    """

    reason: str
    killed: bool = False


def allowing(seconds: float, at_most: float = math.inf) -> Patience:
    """The patience with a program that may compute for so many seconds, for machines can be busy."""
    return Patience(min(_BY_THE_CLOCK * seconds, at_most))


class Program:
    """A process that reads files, started when it is first needed and again after a file broke it.

    Not safe to share between threads, but for `interrupt`.

    module: its main one, which calls `serve`
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._told = False

    def start(self) -> subprocess.Popen[bytes]:
        """The process. It takes a third of a second to start, which nobody waits for here: worth calling
        before the model is loaded.

        Raises:
            NoReader: there are no more processes to be had.
        """
        if self._process is None:
            try:
                # What parsers print of broken files is no news to anybody. Nothing is imported from where
                # somebody works (-P): beside fonts there may lie a glyphs.py.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", self._module],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
            except OSError:
                raise NoReader from None
            # One that does not read is not waited for for ever.
            os.set_blocking(_descriptor(self._process.stdin), False)
            self._told = False
        return self._process

    def tell(self, setting: Mapping[str, Any], waiting: Patience) -> None:
        """Tell it once, before all else, what holds for all that it reads.

        Raises:
            NoReader: it does not start, or does not listen.
        """
        self.start()
        if not self._told:
            try:
                self.send(setting, b"", waiting)
            except OSError:  # its pipe breaks, or it does not read
                self.close()
                raise NoReader from None
            self._told = True

    def send(self, document: Mapping[str, Any], body: bytes, waiting: Patience) -> None:
        """Raises one of `NO_ANSWER` where it does not listen."""
        send(_descriptor(self.start().stdin), json.dumps(document).encode(), body, waiting)

    @property
    def answers(self) -> int:
        """The descriptor that its messages come from."""
        return _descriptor(self.start().stdout)

    def ending(self, error: Exception, seconds: float, memory: int) -> Ending:
        """What became of the process where it did not answer as it should, which raised that.

        seconds, memory: of computing, and bytes, that it may have
        """
        process = self._process
        slow = Ending(f"It takes more than {seconds:g} seconds to read.")
        if isinstance(error, TimeoutError):
            return slow
        code = 0
        if process is not None:
            try:
                code = process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                return Ending("Its reader answered nonsense.")
        if code == -signal.SIGXCPU:
            return slow
        if code == -signal.SIGKILL:  # which no parser comes to by itself
            return Ending("Its reader was killed, as a system does that is out of memory.", killed=True)
        if code < 0:
            return Ending(f"It crashed a parser ({_signal_name(-code)}).")
        return Ending(f"It broke its reader, which may have {memory // _MIB} MiB of memory.")

    def interrupt(self) -> None:
        """End the process under whoever waits for it in another thread, for whom it breaks off."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; the next file starts another."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()  # unread, for whom it has started may hold the other end for ever
            process.wait()


class Heard:
    """Messages of a program about one file.

    most: bytes of JSON that may still come
    """

    def __init__(self, source: int, waiting: Patience, most: int) -> None:
        self._source, self._waiting, self._most = source, waiting, most

    def next(self, longest_body: int) -> tuple[dict[str, Any], bytearray]:
        """Raises one of `NO_ANSWER` where there is none, or one that is too long."""
        document, count = LENGTHS.unpack(take(self._source, LENGTHS.size, self._waiting))
        self._most -= document
        if self._most < 0 or count > longest_body:
            raise ValueError("a message is too long")
        text = take(self._source, document, self._waiting)
        message = json.loads(text, parse_constant=_no_number)
        return message, take(self._source, count, self._waiting)


def number(value: Any, end: int) -> int:
    """Raises ValueError where it is none from 0 to below `end`."""
    if type(value) is not int or not 0 <= value < end:
        raise ValueError(f"{value!r} is no number below {end}")
    return value


def text(value: Any, most: int = 2**63) -> str:
    """With U+FFFD for halves of surrogate pairs, which are no text that can be written anywhere. Raises
    ValueError where it is none, or longer.
    """
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("a text is none, or too long")
    return value if value.isascii() else _HALVES.sub("\ufffd", value)


def finite(values: Any) -> Iterator[float]:
    """Raises ValueError where one of them is no number."""
    for value in map(float, values):
        if not math.isfinite(value):  # 1e999 is a number of JSON, too
            raise ValueError("a size is not finite")
        yield value


def serve(answer: Callable[[int, int], None]) -> None:
    """What a program does: with the descriptors that it is asked by and that it answers to."""
    for one in (signal.SIGINT, signal.SIGTERM):  # to all of a terminal or a service; the parent ends this
        signal.signal(one, signal.SIG_IGN)
    with suppress(OSError):  # no Linux, or a system that does not let it
        # Where memory runs out this process is killed, and not the service that has started it.
        Path("/proc/self/oom_score_adj").write_text("1000")
    answers = os.dup(1)
    os.dup2(2, 1)  # what a parser prints is no part of an answer
    answer(0, answers)


def limit(which: int, most: int, *, for_good: bool = True) -> None:
    """Allow so much of a resource, or what whoever started us allows, where that is less."""
    _, hard = resource.getrlimit(which)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(which, (soft, soft if for_good else hard))
    except ValueError:
        # macOS knows limits of memory and lets nobody set them; those of time and of messages hold there.
        if sys.platform != "darwin":
            raise


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time ones have none
        return f"signal {number}"


def _descriptor(pipe: Any) -> int:
    found: int = pipe.fileno()
    return found
