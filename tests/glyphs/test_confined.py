"""Programs that parse what may be hostile."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from glyphs.confined import NoReader, Program, allowing, finite, limit, number, text
from tests.service.waits import eventually


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")
def test_where_memory_runs_out_the_parser_goes_first() -> None:
    program = Program("scoring.sandboxed")
    try:
        score = Path(f"/proc/{program.start().pid}/oom_score_adj")
        eventually(lambda: score.read_text() == "1000\n")
    finally:
        program.close()


def test_a_limit_that_the_system_does_not_take_is_passed_over_on_macos_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(which: int, limits: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(sys, "platform", "darwin")
    limit(resource.RLIMIT_AS, 2**30)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ValueError, match="exceeds"):
        limit(resource.RLIMIT_AS, 2**30)


def test_a_program_that_ends_before_it_is_told_anything_is_none() -> None:
    program = Program("glyphs.nowhere")
    program.start().wait()
    with pytest.raises(NoReader, match="does not start"):
        program.tell({}, allowing(1.0))


def test_it_ends_with_whoever_has_started_it() -> None:
    program = (
        "from glyphs.confined import Program\n"
        "import os\n"
        "print(Program('scoring.sandboxed').start().pid, flush=True)\n"
        "os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    eventually(lambda: not Path(f"/proc/{int(done.stdout)}").exists())


def test_only_what_makes_sense_is_taken() -> None:
    assert number(6, 7) == 6
    assert text("\ud800 and \U0001d400", 20) == "\ufffd and \U0001d400"
    assert list(finite([1, 0.5, "2"])) == [1.0, 0.5, 2.0]
    for wrong in (-1, 7, True, 1.0, "1", None):
        with pytest.raises(ValueError, match="no number"):
            number(wrong, 7)
    for wrong in (None, 5, b"a", "too long"):
        with pytest.raises(ValueError, match="text"):
            text(wrong, 5)
    for wrong in ([float("nan")], ["inf"], [1e308 * 10]):
        with pytest.raises(ValueError, match="finite"):
            list(finite(wrong))
