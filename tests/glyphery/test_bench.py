"""`glyphery bench`, on a model of next to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from time import sleep

import numpy as np
import onnxruntime as ort
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from glyphery.bench import bench
from glyphery.ceilings import FLOAT, INTEGER, _model, ceiling, ceilings
from glyphery.figures import Figures, Machine, Model, write_plot
from glyphery.rates import Rate, Work, measure
from glyphs.errors import BadFont, BadInput
from recognition.bundle import Bundle


def _run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(bench)
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def figures(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of bench.json, bench.png and shown.txt, Markdown."""
    folder = tmp_path_factory.mktemp("bench")
    done = _run(
        "--quick", "--profile", "--seconds", 0.01, "--bundle", tiny_bundle.path, "--markdown",
        "--out", folder / "bench.json", "--plot", folder / "bench.png",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (folder / "shown.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def test_everything_is_measured_beside_what_the_machine_can_do(figures: Path) -> None:
    found = json.loads((figures / "bench.json").read_text("utf-8"))
    rates = found["rates"]
    groups = {rate["group"] for rate in rates}
    assert groups >= {"ceiling", "draw", "recognise", "score"}
    assert all(0 < rate["low"] <= rate["median"] <= rate["high"] for rate in rates)
    shares = {rate["group"]: rate["share"] for rate in rates}
    assert shares["recognise"] > 0
    assert shares["draw"] is None
    (model,) = found["models"]
    assert model["floats"] == sum(layer["multiply_adds"] for layer in model["layers"])
    assert model["floor_seconds"] > 0


def test_the_same_is_told_as_markdown_with_operators_and_what_they_imply(figures: Path) -> None:
    shown = (figures / "shown.txt").read_text("utf-8")
    assert "| recognise | batch of 32 | 1 |" in shown
    assert "by operator" in shown
    assert "| Gemm |" in shown or "| MatMul |" in shown
    assert "multiply-adds an image" in shown


def test_and_drawn(figures: Path) -> None:
    with Image.open(figures / "bench.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture).std() > 0


def test_fonts_of_ones_own_are_drawn_and_the_first_is_scored(tiny_bundle: Bundle, font_dir: Path) -> None:
    fonts = font_dir / "kufi.otf", font_dir / "mono.otf"
    done = _run("--quick", "--json", "--bundle", tiny_bundle.path, "--font", fonts[0], "--font", fonts[1])
    rates = json.loads(done.stdout)["rates"]
    assert any(rate["name"] == "kufi.otf, warm" for rate in rates)
    assert "layers" not in json.loads(done.stdout)["models"][0]


def test_bundles_of_one_name_are_told_apart(tiny_bundle: Bundle) -> None:
    done = _run("--quick", "--json", "--bundle", tiny_bundle.path, "--bundle", tiny_bundle.path)
    found = json.loads(done.stdout)
    names = [model["name"] for model in found["models"]]
    assert len(set(names)) == 2
    assert all(name.startswith(f"{tiny_bundle.manifest.name} fp32") for name in names)
    recognised = [rate for rate in found["rates"] if rate["group"] == "recognise"]
    assert [rate["bundle"] for rate in recognised] == names * (len(recognised) // 2)
    assert [rate["beside"] is None for rate in recognised] == [True, False] * (len(recognised) // 2)
    assert {rate["bundle"] for rate in found["rates"] if rate["group"] == "recognise"} == set(names)


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_where_nothing_can_be_written_is_said_before_anything_is_measured(
    option: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "below"
    found = _run("--bundle", tmp_path / "nowhere", option, place).exception
    assert isinstance(found, BadInput)
    assert str(found).startswith(f"{place} cannot be written: ")


def test_a_full_disk_is_not_taken_for_a_place_that_cannot_be_written(small_disk: Path) -> None:
    (small_disk / "large").write_bytes(bytes(4 * 2**20))
    rate = Rate(
        group="draw", name="sans.ttf", unit="glyphs/s", threads=1, bundle="", median=9.0, low=8.0, high=10.0
    )
    figures = Figures(Machine.here(1), (), (rate,), seconds=1, rounds=1, profiled=False)
    with pytest.raises(OSError, match="No space left"):
        write_plot(figures, small_disk / "bench.png")


def test_what_is_no_font_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    found = _run("--quick", "--bundle", tiny_bundle.path, "--font", tmp_path / "no.ttf").exception
    assert isinstance(found, BadFont)


def test_rates_are_medians_of_rounds_that_take_turns() -> None:
    order: list[str] = []
    works = [
        Work(group="g", name=name, unit="u", items=2, run=lambda name=name: order.append(name))  # type: ignore[misc]
        for name in "ab"
    ]
    told: list[int] = []
    rates = measure(works, 1e-9, 3, told.append)
    assert "".join(order) == "aabb" + "ab" * 3  # tried, then in turns
    assert told == [0, 1, 2, 3]
    assert [rate.name for rate in rates] == ["a", "b"]
    assert all(rate.low <= rate.median <= rate.high for rate in rates)


def test_the_same_of_several_bundles_comes_together_and_is_told_beside_the_first() -> None:
    works = [
        Work(group="g", name=name, unit="u", items=items, run=lambda: sleep(0.002), bundle=bundle)
        for bundle, items in (("one", 1), ("other", 10**9))
        for name in "ab"
    ]
    rates = measure(works, 1e-9, 3)
    assert [(rate.name, rate.bundle) for rate in rates] == [
        ("a", "one"), ("a", "other"), ("b", "one"), ("b", "other")
    ]  # fmt: skip
    assert [rate.beside is None for rate in rates] == [True, False] * 2
    assert all(rate.beside is None or rate.beside > 1000 for rate in rates)


def test_the_ceilings_products_are_right() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (5, 7), np.uint8), rng.integers(-127, 128, (7, 3), np.int8)
    for operator, one, other in (
        ("MatMulInteger", left, right),
        ("MatMul", left.astype(np.float32), right.astype(np.float32)),
    ):
        result = np.dtype(np.int32 if operator == "MatMulInteger" else np.float32)
        session = ort.InferenceSession(
            _model(operator, one, other, result), providers=["CPUExecutionProvider"]
        )
        (found,) = session.run(None, {"left": one})
        assert found.dtype == result
        assert np.array_equal(found, left.astype(np.int64) @ right.astype(np.int64))


def test_there_is_a_ceiling_for_every_number_of_threads() -> None:
    works = ceilings(3)
    rates = [
        Rate(
            group=work.group, name=work.name, unit=work.unit, threads=work.threads, bundle="",
            median=1, low=1, high=work.threads * (2 if "int8" in work.name else 1),
        )
        for work in works
    ]  # fmt: skip
    assert [ceiling(rates, kind, threads) / 1e9 for kind in (FLOAT, INTEGER) for threads in (1, 2, 3)] == [
        1, 1, 3, 2, 2, 6
    ]  # fmt: skip


def test_what_a_cascade_takes_depends_on_the_glyphs_and_is_no_share_of_the_ceiling() -> None:
    products = [
        Rate(
            group="ceiling",
            name=f"{kind} of 512 x 512, ONNX Runtime",
            unit="G multiply-adds/s",
            threads=1,
            bundle="",
            median=50.0,
            low=50.0,
            high=50.0,
        )
        for kind in (FLOAT, INTEGER)
    ]
    asked = [
        Rate(
            group="recognise",
            name="batch of 32",
            unit="images/s",
            threads=1,
            bundle=name,
            median=100.0,
            low=90.0,
            high=110.0,
        )
        for name in ("one", "pair")
    ]
    models = [
        Model(name, "sha256:0", "fp32", 100_000_000, 0, (), is_cascade=name == "pair")
        for name in ("one", "pair")
    ]
    found = Figures(Machine.here(1), tuple(models), (*products, *asked), seconds=1, rounds=1, profiled=False)
    shares = {rate.bundle: rate.share for rate in found.rates if rate.bundle}
    assert shares == {"one": pytest.approx(0.2), "pair": None}
    assert [sentence for sentence in found.sentences() if "accurate model" in sentence]
