"""Pixels: outlines drawn, pictures fitted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glyphs.errors import BadFont, BadPicture
from glyphs.fonts import FontFile
from glyphs.outline import Outline, Outlines
from glyphs.raster import Distortion, Distortions, Raster, RasterSettings, draw, draw_all, fit
from glyphs.shaping import labelled_glyphs

CUBIC, QUADRATIC, ARABIC = "serif.otf", "sans.ttf", "naskh.ttf"
SQUARE = Outline(
    np.array([[0, 0], [500, 0], [500, 500], [0, 500]], np.int32),
    np.ones(4, np.uint8),
    np.array([3], np.int16),
    1000,
)


@pytest.fixture(scope="session")
def drawn(font_dir: Path) -> list[Outline]:
    """The outlines of three fonts: quadratic, cubic, Arabic."""
    found = []
    for file in (CUBIC, QUADRATIC, ARABIC):
        face = next(FontFile.read(font_dir / file).faces())
        glyphs = [face.glyph(components) for components in labelled_glyphs(face).values()]
        found += [glyph.outline for glyph in glyphs if glyph is not None]
    return found


def box(raster: Raster) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the ink."""
    rows, columns = np.flatnonzero(raster.any(axis=1)), np.flatnonzero(raster.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_a_raster_is_a_square_of_bytes() -> None:
    raster = draw(SQUARE)
    assert (raster.shape, raster.dtype) == ((128, 128), np.uint8)
    assert box(raster) == (8, 8, 120, 120)
    assert (raster[8:120, 8:120] == 255).all()
    assert draw(SQUARE, RasterSettings(size=64, box=48))[8:56, 8:56].min() == 255


def test_the_ink_of_every_glyph_fills_the_box_and_is_centred(drawn: list[Outline]) -> None:
    for outline in drawn:
        left, top, right, bottom = box(draw(outline))
        assert abs(max(right - left, bottom - top) - 112) <= 1
        assert abs(left + right - 128) <= 2
        assert abs(top + bottom - 128) <= 2


def test_a_raster_comes_out_upright(font_dir: Path) -> None:
    face = next(FontFile.read(font_dir / QUADRATIC).faces())
    letter = face.glyph(face.characters()[ord("L")])
    assert letter is not None
    raster = draw(letter.outline)
    assert raster[90:, :].sum() > 2 * raster[:38, :].sum()  # the foot is below
    assert raster[:, :64].sum() > 2 * raster[:, 64:].sum()  # the stem is on the left


@given(index=st.integers(0, 400), scale=st.integers(2, 8), x=st.integers(0, 2000), y=st.integers(0, 2000))
def test_place_and_scale_of_an_outline_leave_its_raster_as_it_is(
    drawn: list[Outline], index: int, scale: int, x: int, y: int
) -> None:
    outline = drawn[index]
    moved = Outline(
        outline.points * scale + np.array([x, y], np.int32),
        outline.tags,
        outline.contours,
        outline.units_per_em * scale,
    )
    # A 64th of a pixel is 4 levels; where it makes FreeType split a curve once more or once less, a
    # few pixels differ by more.
    difference = np.abs(draw(outline).astype(int) - draw(moved))
    assert np.count_nonzero(difference > 8) <= 16
    assert difference.mean() < 0.1


def test_drawing_in_two_threads_equals_drawing_in_one(drawn: list[Outline]) -> None:
    one = [draw(outline) for outline in drawn]
    with ThreadPoolExecutor(2) as threads:
        two = list(threads.map(draw, drawn))
    assert all(np.array_equal(first, second) for first, second in zip(one, two, strict=True))


def test_drawing_leaves_the_outline_as_it_is(drawn: list[Outline]) -> None:
    outline = drawn[0]
    before = outline.to_bytes()
    draw(outline, distortion=Distortion(weight=40, jitter=np.ones(outline.points.shape)))
    assert outline.to_bytes() == before


def test_weight_widens_and_thins_strokes(drawn: list[Outline]) -> None:
    outline = drawn[60]
    thin, plain, bold = (
        int(draw(outline, distortion=Distortion(weight=weight)).sum(dtype=int)) for weight in (-15, 0, 30)
    )
    assert thin < plain < bold


def test_scale_and_shift_move_the_box() -> None:
    assert box(draw(SQUARE, distortion=Distortion(scale=0.5))) == (36, 36, 92, 92)
    assert box(draw(SQUARE, distortion=Distortion(shift=(5, 3)))) == (13, 5, 125, 117)  # y goes up


def test_a_matrix_slants_before_the_box_is_measured() -> None:
    slanted = draw(SQUARE, distortion=Distortion(matrix=np.array([[1.0, 1.0], [0.0, 1.0]])))
    left, top, right, bottom = box(slanted)
    assert (right - left, bottom - top) == (112, 56)
    assert slanted[top + 1, left + 1] == 0
    assert slanted[bottom - 2, left + 3] == 255


@pytest.mark.parametrize("n_points", [0, 1, 3])
def test_an_outline_without_extent_is_a_bad_font(n_points: int) -> None:
    dot = Outline(
        np.zeros((n_points, 2), np.int32),
        np.ones(n_points, np.uint8),
        np.array([n_points - 1] if n_points else [], np.int16),
        1000,
    )
    with pytest.raises(BadFont):
        draw(dot)


@pytest.mark.parametrize(("size", "box"), [(128, 129), (128, 7), (1025, 112), (0, 0), (-1, -1)])
def test_settings_that_cannot_be_drawn_are_refused(size: int, box: int) -> None:
    with pytest.raises(ValueError, match="raster box"):
        RasterSettings(size=size, box=box)


def test_settings_go_into_a_manifest_and_come_back() -> None:
    settings = RasterSettings(size=64, box=56)
    assert RasterSettings(**settings.to_dict()) == settings


def test_fitting_a_drawn_raster_leaves_it_nearly_as_it_is(drawn: list[Outline]) -> None:
    for outline in drawn[::7]:
        raster = draw(outline)
        again = fit(raster)
        assert np.abs(raster.astype(int) - again).mean() < 6
        assert np.corrcoef(raster.ravel(), again.ravel())[0, 1] > 0.95


def test_a_glyph_is_fitted_from_anywhere_in_a_larger_picture() -> None:
    picture = np.zeros((300, 500), np.uint8)
    picture[200:256, 30:86] = 255
    assert np.array_equal(fit(picture), draw(SQUARE))


def test_a_large_glyph_is_fitted_by_shrinking(drawn: list[Outline]) -> None:
    large = draw(drawn[60], RasterSettings(size=512, box=448))
    assert np.abs(fit(large).astype(int) - draw(drawn[60])).mean() < 4


@pytest.mark.parametrize(
    "ink", [np.zeros((40, 40), np.uint8), np.full((5, 5), 16, np.uint8), np.zeros((0, 0), np.uint8)]
)
def test_a_blank_picture_is_a_bad_picture(ink: np.ndarray) -> None:
    with pytest.raises(BadPicture):
        fit(ink)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60))))
def test_any_ink_is_fitted_into_the_box(ink: np.ndarray) -> None:
    if ink.max() <= 16:
        with pytest.raises(BadPicture):
            fit(ink)
        return
    raster = fit(ink)
    assert (raster.shape, raster.dtype) == ((128, 128), np.uint8)
    assert not raster[:8].any()
    assert not raster[120:].any()
    assert not raster[:, :8].any()
    assert not raster[:, 120:].any()


class TestManyAtOnce:
    def test_each_is_drawn_bit_for_bit_as_alone(self, drawn: list[Outline]) -> None:
        for settings in (RasterSettings(), RasterSettings(size=40, box=33)):
            for outline, raster in zip(drawn, draw_all(drawn, settings), strict=True):
                assert np.array_equal(raster, draw(outline, settings))

    @given(st.lists(st.tuples(st.integers(3, 9), st.integers(0, 2**32 - 1)), min_size=1, max_size=9))
    def test_random_contours_are_drawn_as_alone(self, asked: list[tuple[int, int]]) -> None:
        outlines = []
        for count, seed in asked:
            rng = np.random.default_rng(seed)
            points = rng.integers(0, 1500, (count, 2)).astype(np.int32)
            tags = rng.integers(0, 2, count).astype(np.uint8)
            outlines.append(Outline(points, tags, np.array([count - 1], np.int16), 1000))
        for outline, raster in zip(outlines, draw_all(outlines, blanks=True), strict=True):
            try:
                alone = draw(outline)
            except BadFont:
                alone = np.zeros((128, 128), np.uint8)
            assert np.array_equal(raster, alone)

    def test_each_is_distorted_bit_for_bit_as_alone(self, drawn: list[Outline]) -> None:
        rng, settings = np.random.default_rng(0), RasterSettings(size=64, box=56)
        outlines = Outlines.of(drawn)
        many = Distortions(
            matrices=np.eye(2) + 0.3 * rng.standard_normal((len(drawn), 2, 2)),
            weights=rng.uniform(-8, 16, len(drawn)),
            moves=10 * rng.standard_normal(outlines.points.shape),
            scales=rng.uniform(0.8, 1, len(drawn)),
            shifts=rng.uniform(-3, 3, (len(drawn), 2)),
        )
        rasters, after = draw_all(outlines, settings, distortions=many, blanks=True), 0
        for number, outline in enumerate(drawn):
            before, after = after, after + len(outline.points)
            alone = Distortion(
                many.matrices[number], many.weights[number], many.moves[before:after], many.scales[number],
                tuple(many.shifts[number]),
            )  # fmt: skip
            assert np.array_equal(rasters[number], draw(outline, settings, alone))

    def test_outlines_that_are_packed_already_are_drawn_as_they_are(self, drawn: list[Outline]) -> None:
        assert np.array_equal(draw_all(Outlines.of(drawn)), draw_all(drawn))

    def test_they_are_drawn_into_rows_of_a_buffer_whatever_it_held(self, drawn: list[Outline]) -> None:
        buffer = np.full((100, 128, 128), 7, np.uint8)
        draw_all(drawn[:70], out=buffer[10:80])
        assert np.array_equal(buffer[10:80], draw_all(drawn[:70]))
        assert (buffer[:10] == 7).all()
        assert (buffer[80:] == 7).all()

    @pytest.mark.parametrize(
        "out",
        [
            np.empty((2, 128, 128), np.uint8),
            np.empty((1, 128, 128), np.int8),
            np.empty((1, 128, 256), np.uint8)[:, :, ::2],
        ],
    )
    def test_a_buffer_of_another_shape_kind_or_layout_is_refused(self, out: np.ndarray) -> None:
        with pytest.raises(ValueError, match="C-contiguous"):
            draw_all([SQUARE], out=out)

    def test_one_without_ink_is_refused_or_blank(self) -> None:
        line = Outline(SQUARE.points * [1, 0], SQUARE.tags, SQUARE.contours, 1000)
        dot = Outline(SQUARE.points * 0, SQUARE.tags, SQUARE.contours, 1000)
        nothing = Outline(SQUARE.points[:0], SQUARE.tags[:0], SQUARE.contours[:0], 1000)
        for hollow in (dot, nothing):
            with pytest.raises(BadFont, match="no area"):
                draw_all([SQUARE, hollow])
        rasters = draw_all([nothing, SQUARE, dot, line, SQUARE, nothing], blanks=True)
        assert np.array_equal(rasters[1], draw(SQUARE))
        assert np.array_equal(rasters[4], draw(SQUARE))
        assert not rasters[[0, 2, 3, 5]].any()

    def test_none_are_no_trouble(self) -> None:
        assert draw_all([]).shape == (0, 128, 128)

    def test_threads_draw_at_the_same_time(self, drawn: list[Outline]) -> None:
        alone = draw_all(drawn)
        with ThreadPoolExecutor(4) as pool:
            for rasters in pool.map(draw_all, [drawn] * 8):
                assert np.array_equal(rasters, alone)
