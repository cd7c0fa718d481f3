from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import pytest

from glyphs.processes import Crew, affinity


def test_processors_are_counted_where_the_system_knows_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= affinity() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert affinity() == (os.cpu_count() or 1)


_told = 0


def _begin(told: int) -> None:
    global _told
    _told = told


def _add(number: int, *, times: int = 1) -> int:
    return _told + number * times


class Deadly:
    """What ends a process that hands it over."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def _deadly() -> list[object]:
    return [b"half of it", Deadly()]


def _broken() -> None:
    raise ValueError("such is life")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_crew_knows_what_it_was_told_and_hands_over_what_it_did(temporary: Path) -> None:
    with Crew(2, _begin, 100) as crew:
        tasks = [crew.submit(_add, number, times=2) for number in range(20)]
        assert [task.result() for task in tasks] == list(range(100, 140, 2))
    assert not list(temporary.glob("glyphery-*"))


def test_what_a_task_raises_is_raised_and_the_crew_goes_on(temporary: Path) -> None:
    with Crew(1, _begin, 0) as crew:
        with pytest.raises(ValueError, match="such is life"):
            crew.submit(_broken).result()
        assert crew.submit(_add, 1).result() == 1


def test_a_process_that_dies_as_it_hands_over_breaks_its_crew(temporary: Path) -> None:
    with Crew(2, _begin, 0) as crew, pytest.raises(BrokenProcessPool):
        crew.submit(_deadly).result()
    assert not list(temporary.glob("glyphery-*"))


def _asleep(begun: Path) -> None:
    begun.touch()
    time.sleep(600)


def test_who_leaves_in_trouble_waits_for_nothing(temporary: Path) -> None:
    others = set(multiprocessing.active_children())
    begun = temporary / "begun"
    with suppress(KeyboardInterrupt), Crew(1, _begin, 0) as crew:
        crew.submit(_asleep, begun)
        while not begun.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt
    for process in set(multiprocessing.active_children()) - others:
        process.join(60)
        assert process.exitcode is not None
    assert not list(temporary.glob("glyphery-*"))
