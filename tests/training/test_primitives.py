from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from glyphs.errors import BadInput
from training.primitives import CELL, CHOICES, PrimitiveLoss, shape_targets

MIDDLE = 4  # the middle cell of a 3x3 grid


def _stroke(degrees: float, width: float, x: float = 12.0, y: float = 12.0) -> Tensor:
    """A long straight stroke through (x, y), antialiased, in three by three cells: (1, 1, 24, 24)."""
    fine, size = 8, 3 * CELL
    steps = (torch.arange(size * fine) + 0.5) / fine
    angle = math.radians(degrees)
    away = (steps - x) * math.sin(angle) + (steps - y)[:, None] * math.cos(angle)
    return F.avg_pool2d((away.abs() < width / 2).float()[None, None], fine)


def _parts(target_2: Tensor) -> tuple[int, int, bool, int, int]:
    """Level of ink, direction, whether bent, row and column."""
    first, second = target_2.tolist()
    return first // 8, first % 8, second >= 16, second // 4 % 4, second % 4


def test_cells_without_ink_are_empty_and_cells_of_ink_full() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = 1
    targets = shape_targets(image, 2)
    assert targets.shape == (1, 4, 2)
    assert targets.dtype == torch.int64
    primitives = CHOICES * targets[..., 0] + targets[..., 1]
    assert primitives.tolist() == [[0, CHOICES, 0, CHOICES]]


@given(
    direction=st.integers(0, 7),
    off=st.floats(-8, 8),
    width=st.floats(2, 4),
    x=st.floats(10, 14),
    y=st.floats(10, 14),
)
def test_a_turned_stroke_gets_the_direction_it_runs_in(
    direction: int, off: float, width: float, x: float, y: float
) -> None:
    _, seen, bent, _, _ = _parts(shape_targets(_stroke(22.5 * direction + off, width, x, y), 3)[0, MIDDLE])
    assert seen == direction
    assert not bent


@given(x=st.floats(9, 15), y=st.floats(9, 15))
def test_a_dot_lies_where_it_is_drawn(x: float, y: float) -> None:
    steps = (torch.arange(24 * 8) + 0.5) / 8
    inked = ((steps - x).abs() < 1) & ((steps - y)[:, None].abs() < 1)  # two pixels wide
    target = shape_targets(F.avg_pool2d(inked.float()[None, None], 8), 3)[0, MIDDLE]
    *_, row, column = _parts(target)
    # Two pixels a column; half resolution moves the centre by half a pixel at most.
    assert abs(column + 0.5 - (x - 8) / 2) <= 0.76
    assert abs(row + 0.5 - (y - 8) / 2) <= 0.76


@pytest.mark.parametrize(("width", "level"), [(2, 1), (4, 2), (6.5, 3)])
def test_ink_is_told_in_thirds(width: float, level: int) -> None:
    assert _parts(shape_targets(_stroke(90, width), 3)[0, MIDDLE])[0] == level


def test_a_corner_is_bent() -> None:
    image = torch.zeros(1, 1, 24, 24)
    image[0, 0, 11:24, 11:24] = 1
    assert _parts(shape_targets(image, 3)[0, MIDDLE])[2]


def test_bytes_and_shares_of_ink_have_the_same_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8, generator=generator)
    assert torch.equal(shape_targets(images, 2), shape_targets(images.float() / 255, 2))


def test_targets_do_not_depend_on_the_batch() -> None:
    images = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0)).round()
    together = shape_targets(images, 4)
    assert torch.equal(together, torch.cat([shape_targets(image[None], 4) for image in images]))


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(BadInput, match="shapes, kmeans"):
        PrimitiveLoss("words")


def test_naming_every_shape_costs_nothing() -> None:
    images = torch.rand(3, 1, 32, 32).round()
    sure = 50.0 * F.one_hot(shape_targets(images, 4), CHOICES)
    loss = PrimitiveLoss()
    assert loss(sure, images).item() == pytest.approx(0, abs=1e-4)
    assert loss(torch.zeros(3, 16, 2, CHOICES), images).item() == pytest.approx(math.log(CHOICES), abs=1e-5)


def _patterned(patterns: int, seed: int = 0) -> Tensor:
    """64 pictures of 4x4 cells, each cell one of a few random patterns: (64, 1, 32, 32) uint8."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randint(0, 2, (patterns, CELL, CELL), dtype=torch.uint8, generator=generator) * 255
    chosen = torch.randint(0, patterns, (64, 4, 4), generator=generator)
    return cells[chosen].permute(0, 1, 3, 2, 4).reshape(64, 1, 32, 32)


def test_distinct_patches_fall_to_distinct_centroids() -> None:
    torch.manual_seed(0)
    loss, images = PrimitiveLoss("kmeans").train(), _patterned(CHOICES)
    for _ in range(3):
        clusters = loss.clusters(images)
    patches = images.reshape(64, 4, 8, 4, 2, 4).permute(0, 1, 3, 4, 2, 5).reshape(-1, 2, 32)
    for half in range(2):
        pairs = torch.cat([patches[:, half].long(), clusters[..., half].reshape(-1, 1)], dim=1)
        assert len(pairs.unique(dim=0)) == len(patches[:, half].unique(dim=0)) == CHOICES
        assert len(clusters[..., half].unique()) == CHOICES


def test_centroids_follow_the_patches_and_dead_ones_are_seeded_anew() -> None:
    torch.manual_seed(0)
    loss = PrimitiveLoss("kmeans").train()
    book = loss.codebooks[0]  # type: ignore[index]
    loss.clusters(_patterned(CHOICES))
    book.shares[:8] = 0
    new = _patterned(8, seed=1)
    loss.clusters(new)
    assert (book.shares > book.dead).all()
    halves = new.reshape(64, 4, 8, 4, 2, 4).permute(0, 1, 3, 4, 2, 5).reshape(-1, 2, 32)[:, 0].float() / 255
    assert torch.cdist(halves, book.centroids).amin(1).max() < 1e-2


def test_clusters_survive_their_checkpoint_and_stand_still_in_evaluation() -> None:
    torch.manual_seed(0)
    loss, images = PrimitiveLoss("kmeans").train(), _patterned(20)
    loss.clusters(images)
    again = PrimitiveLoss("kmeans")
    again.load_state_dict(loss.state_dict())
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    other = _patterned(20, seed=2)
    assert torch.equal(loss.eval().clusters(other), again.eval().clusters(other))
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    torch.manual_seed(3)
    once = loss.train().clusters(other)
    torch.manual_seed(3)
    assert torch.equal(again.train().clusters(other), once)


def test_entropy_asks_for_decided_cells_and_varied_batches() -> None:
    torch.manual_seed(0)
    images = _patterned(CHOICES)
    plain, regular = PrimitiveLoss("kmeans", entropy=0.0), PrimitiveLoss("kmeans", entropy=1.0)
    plain(torch.zeros(64, 16, 2, CHOICES), images)
    regular.load_state_dict(plain.state_dict())

    def surcharge(logits: Tensor) -> float:
        return (regular.eval()(logits, images) - plain.eval()(logits, images)).item()

    varied = 50.0 * F.one_hot(torch.arange(64 * 16 * 2) // 2 % CHOICES, CHOICES).view(64, 16, 2, CHOICES)
    one = 50.0 * F.one_hot(torch.zeros(64, 16, 2, dtype=torch.long), CHOICES)
    undecided = torch.zeros(64, 16, 2, CHOICES)
    assert surcharge(varied) == pytest.approx(0, abs=1e-4)
    assert surcharge(one) == pytest.approx(math.log(CHOICES), abs=1e-4)
    assert surcharge(undecided) == pytest.approx(math.log(CHOICES), abs=1e-4)


@pytest.mark.parametrize("targets", ["shapes", "kmeans"])
def test_the_loss_teaches_what_it_asks_for(targets: str) -> None:
    torch.manual_seed(0)
    images = _patterned(12)
    loss = PrimitiveLoss(targets)
    head = torch.nn.Conv2d(1, 2 * CHOICES, CELL, CELL)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        logits = head(images.float() / 255).flatten(2).transpose(1, 2).reshape(64, 16, 2, CHOICES)
        value = loss(logits, images)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.3 * values[0]


@pytest.mark.parametrize("targets", ["shapes", "kmeans"])
def test_a_grey_picture_in_three_channels_is_taught_as_in_one(targets: str) -> None:
    torch.manual_seed(0)
    loss, images = PrimitiveLoss(targets), _patterned(12)
    logits = torch.randn(64, 16, 2, CHOICES)
    loss(logits, images)
    grey, colour = (loss.eval()(logits, images.expand(-1, channels, -1, -1)) for channels in (1, 3))
    assert grey.item() == pytest.approx(colour.item(), rel=1e-4)


@pytest.mark.parametrize("targets", ["shapes", "kmeans"])
def test_mixed_precision_teaches_the_same(targets: str) -> None:
    torch.manual_seed(0)
    loss, images = PrimitiveLoss(targets), _patterned(12)
    logits = torch.randn(64, 16, 2, CHOICES).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss(logits, images)
        mixed = loss.eval()(logits, images)
    assert mixed.item() == pytest.approx(loss(logits, images).item(), rel=1e-5)
