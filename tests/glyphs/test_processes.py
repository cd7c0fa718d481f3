from __future__ import annotations

import os

import pytest

from glyphs.processes import affinity


def test_processors_are_counted_where_the_system_knows_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= affinity() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert affinity() == (os.cpu_count() or 1)
