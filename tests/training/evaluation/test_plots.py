from __future__ import annotations

from pathlib import Path

import pytest

from training.evaluation.plots import history


@pytest.mark.parametrize("end", ['{"step": 3, "lo', "{", ""])
def test_the_history_of_a_run_is_drawn_without_a_line_that_broke_off(tmp_path: Path, end: str) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n' + end)
    figure = history([log])
    assert figure is not None
    (line,) = figure.axes[0].lines
    assert list(line.get_ydata()) == [2.0, 1.0]
