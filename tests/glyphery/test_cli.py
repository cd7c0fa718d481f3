"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bundles import SHIPPED, default_bundle
from glyphs.dataset.store import Dataset
from recognition.bundle import Bundle, seal

VERBS = [
    "dataset",
    "models",
    "train",
    "evaluate",
    "compare",
    "export",
    "index",
    "classify",
    "similar",
    "identify",
    "repair",
    "score",
    "serve",
    "bench",
    "keys",
]


Ask = Callable[..., subprocess.CompletedProcess[str]]


def run(
    *arguments: object, cwd: Path | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """encoding: of what it prints"""
    program = Path(sys.executable).with_name("glyphery")
    return subprocess.run(
        [os.fsencode(program), *(os.fsencode(str(argument)) for argument in arguments)],
        cwd=cwd, capture_output=True, encoding=encoding, timeout=300, check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip


def test_help_lists_the_verbs_in_the_order_of_the_data_flow() -> None:
    text = run("--help").stdout
    listed = [word for word in re.findall(r"^│ (\w+)  ", text, re.MULTILINE) if word in VERBS]
    assert listed == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, ask: Ask) -> None:
    done = ask(verb, "--help")
    assert done.returncode == 0
    assert "Usage: glyphery" in done.stdout


def test_help_loads_no_stage() -> None:
    heavy = "torch", "lightning", "numpy", "onnxruntime", "faiss", "fastapi", "freetype", "PIL"
    code = f"import sys, glyphery.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dataset", "show", "nowhere.db"), "glyphery dataset build"),
        (("dataset", "build", "nowhere"), "nowhere"),
        (("classify", "nowhere.png"), "nowhere.png"),
        (("classify", "a.png", "b.png", "--width", "0.5"), "one glyph"),
        (("classify", "a\n\x1b[31m.png"), "a⟨U+000A⟩⟨U+001B⟩[31m.png"),
        (("similar", "neither"), "neither a file nor a label"),
        (("similar", "x" * 5000), "neither a file nor a label"),
        (("classify", "nowhere.png", "--scripts", "latin"), "four letters"),
        (("similar", "65", "--scripts", "Latn,ara"), "four letters"),
        (("train", "--set", "colour=1"), "colour"),
        (("train", "--set", "augmentation=3"), "augmentation"),
        (("train", "--set", "samples.x=3"), "samples.x"),
        (("train", "--set", "samples=1.5"), "1.5"),
        (("train", "--set", "samples=[1]"), "[1]"),
        (("train", "--preset", "huge"), "huge"),
        (("evaluate", "nowhere", "--split", "train"), "train"),
        (("evaluate", "nowhere"), "glyphery train"),
        (("index", "build", "nowhere"), "nowhere"),
        (("index", "add", "nowhere.ttf", "--bundle", "nowhere"), "nowhere"),
        (("index", "add", "nowhere.ttf"), "--out"),
        (("index", "add", "nowhere.ttf", "--out", "more", "--scripts", "latin"), "four letters"),
        (("index", "build", "unified_mlp"), "Copy"),
    ],
)
def test_a_mistake_gets_one_line_and_an_exit_code(
    arguments: tuple[str, ...], said: str, tmp_path: Path, ask: Ask
) -> None:
    done = ask(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("glyphery: ")
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "verb", [("dataset", "build"), ("dataset", "thin", "--families", "1"), ("train", "--dataset")]
)
def test_a_place_below_a_file_gets_one_line(
    verb: tuple[str, ...], dataset_file: Path, font_dir: Path, tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "file").touch()
    source = font_dir / "mono.otf" if verb[1] == "build" else dataset_file
    done = ask(*verb, source, "--out", "file/below", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("glyphery: file")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_is_json_whatever_stdout_cannot_write(
    encoding: str, tiny_bundle: Bundle, font_dir: Path, tmp_path: Path
) -> None:
    name = tmp_path / "\N{LATIN SMALL LETTER E WITH ACUTE}\N{ARABIC LETTER AIN}\N{GRINNING FACE}\udcff.ttf"
    name.write_bytes((font_dir / "naskh.ttf").read_bytes())
    score = "score", name, "--bundle", tiny_bundle.path, "--json"
    expected = run(*score)
    assert not expected.stdout.isascii()
    lines = run(*score, encoding=encoding).stdout.splitlines()
    assert list(map(json.loads, lines)) == list(map(json.loads, expected.stdout.splitlines()))
    assert json.loads(lines[0])["font"] == str(name)


@pytest.mark.parametrize("how", [["--json"], []])
def test_output_that_nobody_reads_is_no_finding(how: list[str], font_dir: Path) -> None:
    command = [sys.executable, "-m", "glyphery", "score", str(font_dir / "phagspa.ttf"), *how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (128 + signal.SIGPIPE, "")


def test_a_full_disk_gets_one_line_and_leaves_nothing_half_done(small_disk: Path, font_dir: Path) -> None:
    (small_disk / "large").write_bytes(bytes(4 * 2**20 - 2**16))
    done = run("score", "sans.ttf", "--out", small_disk / "report", cwd=font_dir)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "glyphery: The disk is full. Make room, and run it again."
    assert "Traceback" not in done.stderr
    assert [file.name for file in small_disk.iterdir()] == ["large"]


def test_a_server_without_a_bundle_says_so_and_ends(tmp_path: Path) -> None:
    done = run("serve", "--bundle", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("glyphery: ")
    assert "nowhere" in done.stderr


def test_a_dataset_is_built_and_shown_with_a_sheet(font_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"\x00\x01\x00\x00 broken")
    built = run(
        "dataset", "build", font_dir, tmp_path / "broken.ttf", "--out", "glyphs.db", "--json", cwd=tmp_path
    )
    assert built.returncode == 0, built.stderr
    summary = json.loads(built.stdout)
    assert summary["glyphs"] > 500
    assert [Path(file).name for file, _ in summary["rejects"]] == ["broken.ttf"]
    shown = run("dataset", "show", "glyphs.db", "--sheet", "sheet.png", cwd=tmp_path)
    assert "By script" in shown.stdout
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_a_bundle_is_measured_from_the_command_line(tiny_bundle: Bundle, small_dataset: Dataset) -> None:
    done = run("evaluate", tiny_bundle.path, "--dataset", small_dataset.path, "--split", "test", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["split"] == "test"
    assert 0 <= figures["with_metrics"]["fonts"]["top1"] <= figures["ceiling"]["with_metrics"] <= 1
    assert 0 <= figures["retrieval_top10"] <= 1


def test_a_picture_is_classified_and_compared(tiny_bundle: Bundle, tmp_path: Path) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (64, 64), 255)
    ImageDraw.Draw(picture).line((32, 8, 32, 56), fill=0, width=6)
    picture.save(tmp_path / "bar.png")
    classified = run("classify", "bar.png", "-k", 3, "--bundle", tiny_bundle.path, "--json", cwd=tmp_path)
    assert classified.returncode == 0, classified.stderr
    answer = json.loads(classified.stdout)
    assert answer["file"] == "bar.png"
    assert len(answer["predictions"]) == 3
    metrics = "--width", 0.1, "--height", 0.7, "--bottom", -0.2, "--advance", 0.3
    told = run("classify", "bar.png", "-k", 3, "--bundle", tiny_bundle.path, *metrics, "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["predictions"] != answer["predictions"]
    similar = run("similar", "bar.png", "-k", 2, "--bundle", tiny_bundle.path, "--json", cwd=tmp_path)
    assert len(json.loads(similar.stdout)["neighbours"]) == 2
    in_script = run(
        "similar", "bar.png", "--scripts", "latn", "--bundle", tiny_bundle.path, "--json", cwd=tmp_path
    )
    assert {n["script"] for n in json.loads(in_script.stdout)["neighbours"]} == {"Latn"}
    by_label = run("similar", "65", "--others", "--bundle", tiny_bundle.path, "--json", cwd=tmp_path)
    assert all(n["label"] != "65" for n in json.loads(by_label.stdout)["neighbours"])


ETHIOPIC = "4608"


@pytest.fixture
def ethiopic(make_font: Callable[..., Path]) -> Path:
    """A font of two characters that the tiny model never saw, and one that it knows."""
    drawings = {
        int(ETHIOPIC): [[(0, 0), (0, 700), (100, 700), (100, 0)]],
        int(ETHIOPIC) + 1: [[(0, 0), (350, 700), (700, 0)]],
        ord("A"): [[(0, 0), (0, 700), (700, 700), (700, 0)]],
    }
    return make_font("ethiopic.ttf", "Drawn by Hand", drawings)


def test_glyphs_of_fonts_are_added_to_the_index_and_found(
    tiny_bundle: Bundle, ethiopic: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"\x00\x01\x00\x00 broken")
    before = (tiny_bundle.path / "manifest.json").read_bytes()
    fonts = ethiopic, "broken.ttf"
    done = run("index", "add", *fonts, "--bundle", tiny_bundle.path, "--out", "more", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [said[name] for name in ("fonts", "new", "replaced", "kept", "labels")] == [1, 3, 0, 0, 3]
    assert said["labels_unknown_to_the_model"] == 2
    [refused] = said["refused"]
    assert refused["file"] == "broken.ttf"
    assert refused["reason"]
    assert (tiny_bundle.path / "manifest.json").read_bytes() == before
    found = run("similar", ETHIOPIC, "-k", 1, "--bundle", "more", "--json", cwd=tmp_path)
    [neighbour] = json.loads(found.stdout)["neighbours"]
    assert (neighbour["label"], neighbour["family"]) == (ETHIOPIC, "Drawn by Hand")


def test_adding_a_font_twice_in_place_gives_the_same_bundle(
    tiny_bundle: Bundle, ethiopic: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle.path, tmp_path / "bundle")
    add = "index", "add", ethiopic, "--bundle", "bundle"
    first = run(*add, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith(
        "3 references added, 0 replaced, 0 kept, from 1 fonts: 3 labels, 2 of them"
    )
    digest = Bundle.load(tmp_path / "bundle").digest
    assert digest != tiny_bundle.digest
    for option, said in (("--replace", "0 references added, 3 replaced, 0 kept"),
                         ("--keep", "0 references added, 0 replaced, 3 kept")):  # fmt: skip
        again = run(*add, option, cwd=tmp_path)
        assert again.stdout.startswith(said), again.stderr
        assert Bundle.load(tmp_path / "bundle").digest == digest


def test_a_bundle_without_an_index_gets_one(tiny_bundle: Bundle, ethiopic: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(
        tiny_bundle.path,
        plain,
        ignore=shutil.ignore_patterns("index.faiss", "references.npz", "pictures.bin"),
    )
    seal(plain, tiny_bundle.manifest)
    done = run("index", "add", ethiopic, "--bundle", plain, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["references"] == 3
    found = run("similar", ETHIOPIC, "--bundle", plain, "--json", cwd=tmp_path)
    assert json.loads(found.stdout)["neighbours"][0]["label"] == ETHIOPIC


def test_only_the_scripts_and_characters_asked_for_are_added(
    tiny_bundle: Bundle, ethiopic: Path, tmp_path: Path
) -> None:
    add = "index", "add", ethiopic, "--bundle", tiny_bundle.path, "--out", "more", "--json"
    by_script = run(*add, "--scripts", "Ethi,Deva", cwd=tmp_path)
    assert json.loads(by_script.stdout)["labels"] == 2
    by_character = run(*add, "--charset", f"A{chr(int(ETHIOPIC))}", cwd=tmp_path)
    assert json.loads(by_character.stdout)["labels"] == 2


def test_where_no_font_can_be_used_nothing_is_written(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"broken")
    done = run("index", "add", "broken.ttf", "--bundle", tiny_bundle.path, "--out", "more", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "broken.ttf" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken.ttf"]


def test_a_picture_without_ink_is_refused_by_name_after_the_answers_before_it(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("L", (64, 64), 255).save(tmp_path / "blank.png")
    picture = Image.new("L", (64, 64), 255)
    picture.paste(0, (20, 10, 44, 54))
    picture.save(tmp_path / "bar.png")
    pictures = "bar.png", "blank.png", "bar.png"
    done = run("classify", *pictures, "--bundle", tiny_bundle.path, "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["bar.png"]
    assert "blank.png" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_names_the_shipped_bundles_with_their_digests() -> None:
    accurate, fast = (Bundle.load(Path(name)) for name in SHIPPED)
    assert accurate.path == default_bundle()
    plain, as_json = run("--version"), run("--version", "--json")
    expected = (
        rf"glyphery \S+\nbundle levit_128s \S+ {accurate.digest}\nbundle unified_mlp \S+ {fast.digest}\n"
    )
    assert re.fullmatch(expected, plain.stdout), plain.stderr
    told = json.loads(as_json.stdout)
    assert [bundle["digest"] for bundle in told["bundles"]] == [accurate.digest, fast.digest]
    assert f"glyphery {told['glyphery']}\n" in plain.stdout


def test_no_verb_is_an_error_that_says_what_to_do() -> None:
    done = run("--json")
    assert done.returncode == 2
    assert "--help" in done.stderr
