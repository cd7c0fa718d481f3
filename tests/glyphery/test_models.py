from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from glyphery.models import models
from glyphs.errors import BadInput
from training.models import MODELS


def _run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(models)
    return CliRunner().invoke(app, arguments)


def test_every_model_is_listed_with_what_it_costs() -> None:
    cards = json.loads(_run("--json").stdout)
    assert [card["name"] for card in cards] == list(MODELS)
    assert all(card.keys() == {"name", "parameters", "flops"} for card in cards)
    assert all(card["parameters"] > 1e6 and card["flops"] > 1e7 for card in cards)


def test_labels_size_and_channels_change_the_figures() -> None:
    def card(*options: str) -> dict[str, int]:
        (found,) = json.loads(_run("residual_cnn", "--json", *options).stdout)
        return found  # type: ignore[no-any-return]

    usual = card()
    assert usual["parameters"] - card("--labels", "4000")["parameters"] == 1000 * 289
    assert card("--size", "32")["flops"] < usual["flops"]
    assert card("--channels", "3")["parameters"] > usual["parameters"]


def test_the_table_names_parameters_and_flops() -> None:
    shown = _run("separable_cnn").stdout
    assert all(word in shown for word in ("separable_cnn", "parameters", "flops"))


def test_a_profile_is_a_row_a_layer() -> None:
    options = ("separable_cnn", "--layers", "--size", "32", "--labels", "10")
    profile = json.loads(_run(*options, "--json").stdout)
    assert profile[0].keys() == {"name", "kind", "shape", "parameters", "flops", "milliseconds"}
    shown = _run(*options).stdout
    assert "milliseconds" in shown
    assert "1 x 16 x 32 x 32" not in shown
    assert "1 x 32 x 32 x 32" in shown
    assert "Conv2d" in shown


@pytest.mark.parametrize("arguments", [("--layers",), ("resnet",), ("vit_tiny", "--size", "100")])
def test_what_cannot_be_shown_is_refused(arguments: tuple[str, ...]) -> None:
    assert isinstance(_run(*arguments).exception, BadInput)
