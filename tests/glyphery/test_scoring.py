from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from string import ascii_letters

import pytest
from typer.testing import CliRunner

from glyphery.cli import app
from glyphery.scoring import _print_comparison, _print_findings
from scoring.compare import compare
from tests.scoring.conftest import drawn_as, edited
from tests.scoring.records import face, font, found, verdict

KEYS = {"font", "glyph", "codepoint", "form", "label", "status", "check", "probability", "top"}


@pytest.fixture
def good(font_dir: Path) -> Path:
    return font_dir / "mono.otf"


@pytest.fixture
def faulty(font_dir: Path, tmp_path: Path) -> Path:
    path = tmp_path / "faulty.ttf"
    path.write_bytes(edited(font_dir / "sans.ttf", drawn_as("k", "g")))
    return path


def _run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["score", *map(str, arguments)])
    assert result.exit_code == code, result.output + result.stderr
    return result.stdout if code != 2 else result.stderr


def test_a_good_font_passes(good: Path) -> None:
    assert "PASS" in _run(good)


def test_a_fault_is_told_and_ends_with_exit_code_1(faulty: Path) -> None:
    told = _run(faulty, code=1)
    assert "identity" in told
    assert "LATIN SMALL LETTER G" in told
    _run(faulty, "--error-code-on", "ERROR")
    _run(faulty, "--error-code-on", "never")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["--jobs=1", "--jobs=2", "--engine=ray"])
def test_a_run_that_is_stopped_leaves_no_report_in_the_making(
    number: signal.Signals, where: str, font_dir: Path, tmp_path: Path
) -> None:
    if "ray" in where:
        pytest.importorskip("ray")
    fonts = [shutil.copy(font_dir / "sans.ttf", tmp_path / f"{count}.ttf") for count in range(40)]
    out = tmp_path / "out" / "report.json"
    command = [sys.executable, "-m", "glyphery", "score", *fonts, "--out", out, where]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Where these tests run in the background of a shell, it lets them and their children ignore Ctrl-C.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heard) as run:
        assert run.stdout is not None
        run.stdout.readline()  # the first font has been scored
        assert list(out.parent.iterdir())
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert "Traceback" not in said
    assert not list(out.parent.iterdir())


def test_ray_says_nothing_besides_what_one_process_says(font_dir: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "glyphery", "score", font_dir / "phagspa.ttf", "--json"]
    alone, on_ray = (
        subprocess.run([*command, *where], capture_output=True, text=True, check=True)
        for where in ([], ["--engine=ray"])
    )
    assert on_ray.stdout == alone.stdout
    assert not on_ray.stderr


def test_a_run_that_is_stopped_while_ray_starts_says_so_by_its_exit_code(font_dir: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "glyphery", "score", font_dir / "phagspa.ttf", "--engine=ray"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while not _starts_ray(run.pid):
            assert run.poll() is None
        run.terminate()
        told, _ = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert not told


def _starts_ray(process: int) -> bool:
    """Whether the first of Ray's own processes is there: several more have to follow."""
    with suppress(FileNotFoundError):  # what was there has ended
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return any(b"gcs_server" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)
    return False


def test_nothing_is_imported_from_the_folder_of_the_fonts(font_dir: Path, tmp_path: Path) -> None:
    for name in ("random", "socket", "glyphs"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w'); raise SystemExit")
    for name in ("one.ttf", "two.ttf"):
        shutil.copy(font_dir / "phagspa.ttf", tmp_path / name)
    command = [Path(sys.executable).with_name("glyphery"), "score", ".", "--jobs", "2", "--json"]
    said = subprocess.check_output([*command, "--error-code-on", "ERROR"], cwd=tmp_path, text=True)
    assert {json.loads(line)["font"] for line in said.splitlines()} == {"one.ttf", "two.ttf"}
    assert not (tmp_path / "imported").exists()


def test_every_report_is_written(faulty: Path, good: Path, tmp_path: Path) -> None:
    out = {suffix: tmp_path / "out" / f"report{suffix}" for suffix in (".jsonl", ".csv", ".json", ".md", "")}
    _run(faulty, good, *(part for path in out.values() for part in ("--out", path)), code=1)
    lines = [json.loads(line) for line in out[".jsonl"].read_text(encoding="utf-8").splitlines()]
    assert all(line.keys() >= KEYS for line in lines)
    assert {line["font"] for line in lines} == {str(faulty), str(good)}
    [failed] = [line for line in lines if line["status"] == "FAIL"]
    assert (failed["codepoint"], failed["label"], failed["check"]) == ("U+006B", "107", "identity")
    assert failed["top"][0]["character"] == "g"
    with out[".csv"].open(encoding="utf-8", newline="") as file:
        assert sum(row["status"] == "FAIL" for row in csv.DictReader(file)) == 1
    summary = json.loads(out[".json"].read_text(encoding="utf-8"))
    assert summary["status"] == "FAIL"
    assert summary["made_with"]["digest"].startswith("sha256:")
    assert "U+006B" in out[".md"].read_text(encoding="utf-8")
    assert len(list(out[""].glob("*.html"))) == 3
    _run(faulty, "--out", tmp_path / "page.html", code=1)
    assert "<svg" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_json_lines_go_to_standard_output(good: Path) -> None:
    lines = [json.loads(line) for line in _run(good, "--json").splitlines()]
    assert len(lines) > 90
    assert all(line.keys() >= KEYS for line in lines)


def test_a_baseline_accepts_what_it_knows_and_nothing_else(
    faulty: Path, font_dir: Path, tmp_path: Path
) -> None:
    known = tmp_path / "known.json"
    _run(faulty, "--write-baseline", known, code=1)
    _run(faulty, "--baseline", known)
    faulty.write_bytes(edited(font_dir / "sans.ttf", drawn_as("k", "g"), drawn_as("R", "t")))
    told = _run(faulty, "--baseline", known, code=1)
    assert "U+0052" in told
    assert "U+006B" not in told
    known.write_text("{", encoding="utf-8")
    assert "known.json" in _run(faulty, "--baseline", known, code=2)


def test_two_versions_are_compared(faulty: Path, font_dir: Path, tmp_path: Path) -> None:
    older, page = font_dir / "sans.ttf", tmp_path / "page.html"
    told = _run(faulty, "--against", older, "--out", page, code=1)
    assert "1 broken" in told
    assert page.exists()
    assert "1 fixed" in _run(older, "--against", faulty)
    assert "Nothing changed" in _run(older, "--against", older)
    assert json.loads(_run(older, "--against", faulty, "--json"))["counts"]["fixed"] == 1


def test_a_comparison_tells_findings_of_faces_and_files_and_what_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = font(face(*map(verdict, ascii_letters), findings=(found("decorative", "It was a picture."),)))
    _print_comparison(compare(old, font(findings=(found("readable", "It is no font."),))))
    told = " ".join(capsys.readouterr().out.split())
    assert "ERROR It is no font." in told
    assert "and 32 more" in told
    assert "52 removed." in told
    _print_comparison(compare(old, replace(old, faces=(replace(old.faces[0], findings=()),))))
    told = " ".join(capsys.readouterr().out.split())
    assert "WARN It was a picture." in told
    assert "No glyph changed." in told


def test_what_is_accepted_of_faces_and_files_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    accepted = found("decorative", "It is a picture.", accepted=True)
    _print_findings(font(face(verdict("A"), findings=(accepted,)), findings=(accepted,)))
    assert capsys.readouterr().out == "fonts/Test.ttf: PASS (1 glyphs: 1 PASS)\n"


def test_the_name_of_a_file_may_be_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "\udcff.ttf").write_bytes(b"\0\1\0\0 nothing")
    command = [sys.executable, "-m", "glyphery", "score", tmp_path, "--json", "--error-code-on", "never"]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    said = subprocess.check_output(command, env=strict, text=True)
    assert json.loads(said)["font"] == str(tmp_path / "\udcff.ttf")


def test_a_broken_font_is_an_error_among_others(good: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"\0\1\0\0 nothing")
    report = tmp_path / "report.jsonl"
    _run(tmp_path / "broken.ttf", good, "--out", report, code=1)
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert [line["status"] for line in lines if line["glyph"] is None] == ["ERROR"]
    assert sum(line["status"] == "PASS" for line in lines) > 90


def test_thresholds_can_be_changed(faulty: Path) -> None:
    wide = [part for name in ("fail", "warn", "supported") for part in ("--threshold", f"{name}=99")]
    _run(faulty, *wide, "--threshold", "distinct=-1")
    for value in ("nan", "inf", "1000000"):
        assert "--max-seconds" in _run(faulty, "--max-seconds", value, code=2)
    assert "no threshold" in _run(faulty, "--threshold", "nonsense=1", code=2)
    for value in ("much", "nan", "inf"):
        assert "no value" in _run(faulty, "--threshold", f"fail={value}", code=2)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere.ttf"], "nowhere.ttf"),
        (["{good}", "--out", "report.pdf"], "no kind of report"),
        (["{folder}", "--out", "report.html"], "one font"),
        (["{good}", "--against", "{good}", "--out", "report.csv"], "no kind of comparison"),
        (["{good}", "--against", "{good}", "--out", "{good}/report.md"], "cannot be written"),
        (["{good}", "{good}", "--against", "{good}"], "one font"),
        (["{good}", "--against", "nowhere.ttf"], "nowhere.ttf"),
        (["{good}", "--bundle", "nowhere"], "no bundle"),
        (["{good}", "--baseline", "nowhere.json"], "nowhere.json"),
        (["{good}", "--address", "ray://host"], "--engine ray"),
        (["{good}", "--out", "{folder}/pages", "--out", "{folder}/pages/report.md"], "take the place of"),
        (["{good}", "--out", "{folder}/pages/report.md", "--out", "{folder}/pages"], "take the place of"),
        (["{good}", "--out", "{folder}/x.json", "--write-baseline", "{folder}/x.json"], "take the place of"),
        (["{good}", "--baseline", "{folder}/x.json", "--out", "{folder}/x.json"], "take the place of"),
        (["{good}", "--out", "{folder}"], "take the place of"),
        (["{good}", "--against", "{good}", "--out", "{good}"], "take the place of"),
        (["{good}", "--write-baseline", "{good}"], "take the place of"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    good: Path, tmp_path: Path, arguments: list[str], why: str
) -> None:
    fonts = [shutil.copy(good, tmp_path / name) for name in ("first.otf", "second.otf")]
    told = _run(*(argument.format(good=fonts[0], folder=tmp_path) for argument in arguments), code=2)
    assert why in told
    assert told.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == fonts
    assert all(font.read_bytes() == good.read_bytes() for font in fonts)
