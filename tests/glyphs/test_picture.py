"""Pictures painted from outlines drawn by hand must come back as the rasters of those outlines."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter

from glyphs import bits, ink
from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.picture import (
    BlankPicture,
    BrokenPicture,
    PictureLimits,
    PictureTooLarge,
    UnsupportedPicture,
    read_colours,
    read_ink,
    read_picture,
)
from glyphs.raster import RasterSettings, draw, fit

Coverage = NDArray[np.float64]  # (H, W), how much of each pixel the glyph covers, 0 to 1
Colour = tuple[int, int, int]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@contextmanager
def no_warning() -> Iterator[None]:
    """Of files and sockets that other tests left open, which are collected at any time, nothing is heard."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    assert not seen


def polygon(*contours: list[tuple[int, int]]) -> Outline:
    """Straight contours in units of 1,000 an em; outer ones clockwise, holes the other way."""
    points = np.array([point for contour in contours for point in contour], np.int32)
    ends = np.cumsum([len(contour) for contour in contours]) - 1
    return Outline(points, np.ones(len(points), np.uint8), ends.astype(np.int16), 1000)


def box(left: int, bottom: int, right: int, top: int) -> list[tuple[int, int]]:
    return [(left, bottom), (left, top), (right, top), (right, bottom)]


# Without symmetry, so that a mirrored, turned or inverted reading is no match.
LETTERS = {
    "F": polygon(
        [
            (0, 0),
            (0, 700),
            (450, 700),
            (450, 590),
            (130, 590),
            (130, 400),
            (380, 400),
            (380, 290),
            (130, 290),
            (130, 0),
        ]
    ),
    "R": polygon(
        [(0, 0), (0, 700), (330, 700), (430, 600), (430, 420), (340, 320), (480, 0), (340, 0), (120, 310)],
        [(120, 410), (290, 410), (320, 440), (320, 570), (290, 600), (120, 600)],
    ),
    "i": polygon(box(40, 0, 130, 500), [(85, 590), (30, 645), (85, 700), (140, 645)]),
    "peh": polygon(
        [
            (0, 400),
            (60, 420),
            (110, 250),
            (640, 250),
            (700, 520),
            (780, 500),
            (740, 220),
            (660, 150),
            (80, 150),
        ],
        box(250, 20, 320, 90),
        box(400, 20, 470, 90),
        box(325, -80, 395, -10),
    ),
}
H = polygon(box(0, 0, 140, 700), box(360, 0, 500, 700), box(140, 300, 360, 420))
O = polygon(  # noqa: E741
    [(150, 0), (0, 150), (0, 550), (150, 700), (350, 700), (500, 550), (500, 150), (350, 0)],
    [(190, 120), (310, 120), (370, 180), (370, 520), (310, 580), (190, 580), (130, 520), (130, 180)],
)


@pytest.fixture(params=LETTERS)
def letter(request: pytest.FixtureRequest) -> Outline:
    return LETTERS[request.param]


def covered(outline: Outline, side: int = 128, margin: float = 0.2) -> Coverage:
    """The glyph in a square of `side` pixels."""
    return draw(outline, RasterSettings(size=side, box=round(side * (1 - 2 * margin)))) / 255


def cropped(outline: Outline, side: int = 96) -> Coverage:
    """The glyph cut close all round."""
    cover = covered(outline, side, 0)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    return cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def grey(cover: Coverage, ink: float = 0, paper: float = 255) -> NDArray[np.float64]:
    return paper + (ink - paper) * cover


def coloured(cover: Coverage, ink: Colour = BLACK, paper: Colour = WHITE) -> Image.Image:
    return image(np.array(paper) + (np.array(ink) - np.array(paper)) * cover[..., None])


def transparent(cover: Coverage, ink: Colour = BLACK) -> Image.Image:
    """The glyph in its alpha alone."""
    return image(np.concatenate([np.broadcast_to(ink, (*cover.shape, 3)), 255 * cover[..., None]], axis=-1))


def image(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8))


def file(source: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    packed = io.BytesIO()
    (source if isinstance(source, Image.Image) else image(source)).save(packed, kind, **options)
    return packed.getvalue()


def likeness(data: bytes, reference: Outline | NDArray[np.uint8]) -> float:
    """Intersection over union of the ink that is read and the ink that was painted.

    An outline stands for its painting in 128 pixels; how well a painting and a drawing agree is
    `fit`'s affair and tried in TestSizes.
    """
    if isinstance(reference, Outline):
        reference = fit(np.asarray(image(255 * covered(reference))))
    read, true = read_picture(data) > 127, reference > 127
    return float(np.count_nonzero(read & true) / np.count_nonzero(read | true))


def header_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


RNG = np.random.default_rng(20261120)
GLYPH = file(grey(covered(LETTERS["R"])))


class TestCleanPictures:
    def test_black_on_white_is_its_inverse_exactly(self, letter: Outline) -> None:
        drawn = draw(letter)
        np.testing.assert_array_equal(read_ink(file(255 - drawn)), drawn)

    def test_white_on_black_is_itself_exactly(self, letter: Outline) -> None:
        drawn = draw(letter)
        np.testing.assert_array_equal(read_ink(file(drawn)), drawn)

    def test_a_raster_read_back_is_the_raster_to_half_a_pixel(self, letter: Outline) -> None:
        drawn = draw(letter)
        assert np.abs(read_picture(file(255 - drawn)).astype(int) - drawn).mean() < 5

    def test_the_settings_size_the_raster(self) -> None:
        raster = read_picture(GLYPH, RasterSettings(size=64, box=56))
        rows = np.flatnonzero(raster.any(axis=1))
        assert raster.shape == (64, 64)
        assert rows[-1] - rows[0] + 1 == 56

    @pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF"])
    def test_lossless_formats_agree(self, kind: str, letter: Outline) -> None:
        assert likeness(file(grey(covered(letter)), kind), letter) > 0.97

    def test_webp_without_loss_agrees(self, letter: Outline) -> None:
        assert likeness(file(coloured(covered(letter)), "WEBP", lossless=True), letter) > 0.97

    @pytest.mark.parametrize(("ink", "paper"), [(110, 130), (130, 110), (250, 230), (0, 20)])
    def test_twenty_levels_of_contrast_are_enough(self, ink: int, paper: int, letter: Outline) -> None:
        assert likeness(file(grey(covered(letter), ink, paper)), letter) > 0.95


class TestSizes:
    @pytest.mark.parametrize(("side", "least"), [(24, 0.6), (64, 0.75), (300, 0.88), (1000, 0.88)])
    @pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
    def test_small_and_large_agree(
        self, side: int, least: float, ink: int, paper: int, letter: Outline
    ) -> None:
        assert likeness(file(grey(covered(letter, side), ink, paper)), draw(letter)) > least

    @pytest.mark.parametrize(
        ("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 75}), ("WEBP", {"quality": 75})]
    )
    def test_two_thousand_pixels_are_reduced_and_agree(self, kind: str, options: dict[str, Any]) -> None:
        pixels = grey(covered(LETTERS["R"], 1000)).repeat(2, axis=0).repeat(2, axis=1)
        data = file(pixels, kind, **options)
        assert max(read_ink(data).shape) == 1000
        assert likeness(data, draw(LETTERS["R"])) > 0.94

    def test_four_thousand_pixels_are_reduced(self) -> None:
        assert max(read_ink(file(Image.open(io.BytesIO(GLYPH)).resize((4000, 4000)))).shape) <= 1024

    def test_six_by_nine_pixels_give_a_raster(self) -> None:
        stroke = np.zeros((9, 6))
        stroke[1:8, 1:3] = stroke[1:3, 1:5] = 1
        raster = read_picture(file(grey(stroke)))
        assert raster[20:100, 40:50].mean() > 200  # the stem
        assert raster[80:110, 75:95].mean() < 20  # nothing below the arm

    def test_a_full_stop_in_a_wide_picture_is_found(self) -> None:
        pixels = np.full((1000, 1000), 255)
        pixels[600:612, 300:312] = 0
        assert read_picture(file(pixels))[8:120, 8:120].min() > 250

    @pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (1, 3000), (5000, 3)])
    def test_slivers_are_read_or_blank(self, shape: tuple[int, int]) -> None:
        pixels = np.full(shape, 255)
        pixels.flat[: pixels.size // 3 + 1] = 0
        assert read_picture(file(pixels)).any()


class TestTransparency:
    @pytest.mark.parametrize("ink", [BLACK, WHITE, (200, 20, 30), (128, 128, 128)])
    def test_a_glyph_of_one_colour_on_nothing_is_its_alpha(self, ink: Colour, letter: Outline) -> None:
        assert likeness(file(transparent(covered(letter), ink)), letter) > 0.97

    @pytest.mark.parametrize("ink", [BLACK, WHITE])
    def test_grey_with_alpha_is_read(self, ink: Colour, letter: Outline) -> None:
        assert likeness(file(transparent(covered(letter), ink).convert("LA")), letter) > 0.97

    def test_lossy_webp_with_alpha_is_read(self, letter: Outline) -> None:
        assert likeness(file(transparent(covered(letter), WHITE), "WEBP", quality=70), letter) > 0.97

    def test_a_glyph_with_a_gradient_fill_is_its_alpha(self, letter: Outline) -> None:
        pixels = np.array(transparent(covered(letter)))
        pixels[..., 0], pixels[..., 2] = np.linspace(0, 255, 128)[:, None], np.linspace(255, 0, 128)[:, None]
        if letter is not LETTERS["i"]:  # as solid as a plate
            assert likeness(file(image(pixels)), letter) > 0.97

    @pytest.mark.parametrize(
        ("ink", "paper"), [(BLACK, WHITE), (WHITE, (20, 40, 160)), ((230, 230, 0), BLACK)]
    )
    def test_an_opaque_plate_in_a_transparent_margin_is_background(
        self, ink: Colour, paper: Colour, letter: Outline
    ) -> None:
        plate = np.array(coloured(covered(letter), ink, paper).convert("RGBA"))
        margin = np.zeros((200, 180, 4), np.uint8)
        margin[36:164, 26:154] = plate
        assert likeness(file(image(margin)), letter) > 0.97

    def test_a_stencil_is_its_hole(self, letter: Outline) -> None:
        assert likeness(file(transparent(1 - covered(letter), WHITE)), letter) > 0.97

    def test_alpha_that_never_changes_says_nothing(self, letter: Outline) -> None:
        half = coloured(covered(letter))
        half.putalpha(100)
        assert likeness(file(half), letter) > 0.97

    def test_a_transparent_palette_entry_is_background(self, letter: Outline) -> None:
        bits = (covered(letter) > 0.5).astype(np.uint8)
        indexed = Image.fromarray(bits).convert("P")
        indexed.putpalette([*BLACK, *BLACK])  # the colour under nothing is the ink's
        for kind in ("GIF", "PNG"):
            assert likeness(file(indexed, kind, transparency=0), fit(255 * bits)) > 0.97

    def test_a_palette_with_many_alphas_is_read(self, letter: Outline) -> None:
        assert likeness(file(transparent(covered(letter)).quantize(64)), letter) > 0.95


class TestColourAndModes:
    @pytest.mark.parametrize(
        ("ink", "paper"),
        [
            ((200, 0, 0), (0, 102, 0)),  # both of luminance 60
            ((0, 102, 0), (200, 0, 0)),
            ((0, 0, 120), BLACK),
            ((255, 255, 120), WHITE),
            ((230, 200, 200), (200, 220, 230)),
        ],
    )
    def test_red_on_green_of_equal_luminance_is_read(
        self, ink: Colour, paper: Colour, letter: Outline
    ) -> None:
        assert likeness(file(coloured(covered(letter), ink, paper)), letter) > 0.97
        assert likeness(file(coloured(covered(letter), ink, paper).quantize(16)), letter) > 0.9

    def test_colour_survives_chroma_subsampling(self, letter: Outline) -> None:
        data = file(coloured(covered(letter, 256), (200, 0, 0), (0, 102, 0)), "JPEG", quality=75)
        assert likeness(data, letter) > 0.88

    def test_sixteen_bits_keep_their_fractions(self, letter: Outline) -> None:
        full = np.rint(65535 * (1 - covered(letter))).astype(np.uint16)
        for kind in ("PNG", "TIFF"):
            assert likeness(file(Image.fromarray(full), kind), letter) > 0.97
        faint = 30_000 + full // 16  # 16 of 256 levels, finer than 8 bits can tell
        assert likeness(file(Image.fromarray(faint)), letter) > 0.97

    @pytest.mark.parametrize("dtype", [np.int32, np.float32])
    def test_wider_numbers_are_read_by_their_range(self, dtype: type, letter: Outline) -> None:
        values: NDArray[Any] = (covered(letter) * -90_000 + 20_000).astype(dtype)
        assert likeness(file(Image.fromarray(values), "TIFF"), letter) > 0.97

    def test_numbers_that_are_not_finite_do_no_harm(self) -> None:
        values = covered(LETTERS["R"]).astype(np.float32)
        values[0, :3] = np.nan, np.inf, -np.inf
        assert likeness(file(Image.fromarray(values), "TIFF"), LETTERS["R"]) > 0.97

    def test_one_bit_is_read(self, letter: Outline) -> None:
        bits = covered(letter) > 0.5
        paper = Image.fromarray(~bits)
        for data in (file(paper), file(paper, "TIFF", compression="group4")):
            assert likeness(data, fit(255 * bits.astype(np.uint8))) > 0.97

    def test_cmyk_is_read(self, letter: Outline) -> None:
        print_ready = coloured(covered(letter), (20, 0, 90)).convert("CMYK")
        assert likeness(file(print_ready, "TIFF"), letter) > 0.97
        assert likeness(file(print_ready, "JPEG", quality=85), letter) > 0.9

    def test_an_animation_shows_its_first_frame(self, letter: Outline) -> None:
        frames = [coloured(covered(shape)) for shape in (letter, H)]
        for kind in ("GIF", "PNG", "WEBP"):
            packed = file(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
            assert likeness(packed, letter) > 0.97

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize(
        ("orientation", "turn"),
        [
            (2, Image.Transpose.FLIP_LEFT_RIGHT),
            (3, Image.Transpose.ROTATE_180),
            (6, Image.Transpose.ROTATE_90),
            (8, Image.Transpose.ROTATE_270),
        ],
    )
    def test_exif_turns_the_picture_upright(self, kind: str, orientation: int, turn: Image.Transpose) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        data = file(coloured(covered(LETTERS["F"])).transpose(turn), kind, exif=exif, quality=95)
        assert likeness(data, LETTERS["F"]) > 0.95

    def test_broken_exif_costs_the_turn_and_not_the_picture(self) -> None:
        data = file(
            grey(covered(LETTERS["F"])), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"
        )
        assert likeness(data, LETTERS["F"]) > 0.95


class TestPolarity:
    @pytest.mark.parametrize("shape", ["H", "O", *LETTERS])
    def test_dark_ink_cut_close_is_ink(self, shape: str) -> None:
        outline = {"H": H, "O": O, **LETTERS}[shape]
        cover = cropped(outline)
        assert likeness(file(grey(cover)), fit(np.asarray(image(255 * cover)))) > 0.95

    @pytest.mark.parametrize("shape", ["O", "R"])
    def test_light_ink_cut_close_is_ink(self, shape: str) -> None:
        cover = cropped({"O": O, **LETTERS}[shape])
        assert likeness(file(grey(cover, 255, 0)), fit(np.asarray(image(255 * cover)))) > 0.95

    @pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (150, 90)])
    def test_a_block_with_hardly_a_margin_is_ink(self, ink: int, paper: int) -> None:
        cover = np.pad(np.ones((80, 50)), 1)
        raster = read_picture(file(grey(cover, ink, paper)))
        assert raster[9:119, 30:98].min() > 200
        assert raster[:, :20].max() == 0

    def test_a_bold_h_that_fills_its_crop_is_ink(self) -> None:
        cover = np.zeros((60, 50))
        cover[:, :14] = cover[:, -14:] = cover[24:36] = 1
        assert (
            likeness(file(grey(cover)), polygon(box(0, 0, 14, 60), box(36, 0, 50, 60), box(14, 24, 36, 36)))
            > 0.95
        )

    @pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
    def test_a_glyph_cut_off_at_one_side_keeps_its_polarity(self, ink: int, paper: int) -> None:
        whole = covered(LETTERS["R"])
        read = read_ink(file(grey(whole[:-30], ink, paper)))
        assert np.abs(read - 255 * whole[:-30]).mean() < 2


class TestUncleanPictures:
    @pytest.mark.parametrize(("quality", "least"), [(75, 0.94), (40, 0.87)])
    @pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (40, 220)])
    def test_jpeg_is_read(self, quality: int, least: float, ink: int, paper: int, letter: Outline) -> None:
        data = file(grey(covered(letter), ink, paper), "JPEG", quality=quality)
        assert likeness(data, letter) > least

    @pytest.mark.parametrize(("ink", "paper"), [(0, 255), (40, 220), (200, 60)])
    def test_ringing_does_not_widen_the_ink(self, ink: int, paper: int, letter: Outline) -> None:
        seen = read_ink(file(grey(covered(letter), ink, paper), "JPEG", quality=75)) > 16
        drawn = covered(letter) > 0
        for axis in (0, 1):
            read, true = np.flatnonzero(seen.any(axis=axis)), np.flatnonzero(drawn.any(axis=axis))
            assert abs(read[0] - true[0]) <= 1
            assert abs(read[-1] - true[-1]) <= 1

    def test_lossy_webp_is_read(self, letter: Outline) -> None:
        assert likeness(file(grey(covered(letter)), "WEBP", quality=75), letter) > 0.94

    @pytest.mark.parametrize(("noise", "least"), [(4, 0.93), (12, 0.9), (25, 0.85)])
    def test_noise_is_left_out(self, noise: float, least: float, letter: Outline) -> None:
        pixels = grey(covered(letter), 40, 210)
        assert likeness(file(pixels + RNG.normal(0, noise, pixels.shape)), letter) > least

    @pytest.mark.parametrize(("ink", "paper"), [(30, 180), (110, 150), (190, 120)])
    @pytest.mark.parametrize("slope", [(40, 0), (-30, 30), (0, 70)])
    def test_uneven_light_is_subtracted(
        self, ink: int, paper: int, slope: tuple[int, int], letter: Outline
    ) -> None:
        y, x = np.mgrid[-1:1:128j, -1:1:128j]
        light = slope[0] * x + slope[1] * y
        assert likeness(file(grey(covered(letter), ink, paper) + light), letter) > 0.93

    def test_a_photograph_of_paper_is_read(self, letter: Outline) -> None:
        cover = covered(letter, 700, 0.3)
        y, x = np.mgrid[-1:1:700j, -1:1:700j]
        paper = (190 + 30 * x - 25 * y - 25 * x * x) * (1 - 0.7 * cover) + RNG.normal(0, 7, cover.shape)
        tinted = np.stack([paper, 0.94 * paper, 0.8 * paper], axis=-1)
        assert likeness(file(tinted, "JPEG", quality=75), letter) > 0.9

    def test_an_overexposed_corner_of_a_photograph_is_dropped(self, letter: Outline) -> None:
        y, x = np.mgrid[-1:1:128j, -1:1:128j]
        lit = grey(covered(letter), 30, 180) + 70 * x - 60 * y
        assert lit[0, -1] > 300
        assert likeness(file(lit), letter) > 0.93

    def test_specks_far_from_the_glyph_are_dropped(self, letter: Outline) -> None:
        clean = grey(covered(letter, 256))
        specked = clean.copy()
        specked[5, 9] = specked[250, 240] = specked[20, 200] = 0
        np.testing.assert_array_equal(read_picture(file(specked)), read_picture(file(clean)))

    def test_the_dot_of_a_hairline_i_is_kept(self) -> None:
        thin = polygon(box(0, 0, 12, 500), box(0, 600, 12, 612))
        for side in (48, 128, 512):
            seen = read_ink(file(grey(covered(thin, side))))
            rows = np.flatnonzero((seen > 16).any(axis=1))
            assert np.diff(rows).max() > side / 20  # the gap below the dot

    def test_a_faint_hairline_beside_a_bold_stroke_is_kept(self) -> None:
        drawn = np.zeros((40, 40))
        drawn[5:35, 5:13] = 1
        drawn[5:35, 26] = 0.4
        assert read_ink(file(grey(drawn)))[5:35, 26].min() > 90


@st.composite
def levels(draw_: st.DrawFn) -> NDArray[np.uint8]:
    """A letter in whole levels, most often as clean as a program paints it."""
    outline, side = LETTERS[draw_(st.sampled_from(sorted(LETTERS)))], draw_(st.integers(40, 300))
    cover = covered(outline, side, draw_(st.sampled_from([0.0, 0.02, 0.2, 0.4])))
    ink, paper = draw_(st.tuples(st.integers(0, 255), st.integers(0, 255)))
    pixels = grey(cover, ink, paper)
    rng = np.random.default_rng(draw_(st.integers(0, 1000)))
    blemish = draw_(st.sampled_from(["none", "none", "specks", "line", "noise", "light", "blur"]))
    if blemish == "specks":
        pixels[rng.integers(side, size=5), rng.integers(side, size=5)] = rng.integers(0, 256, 5)
    elif blemish == "line":
        pixels[:, rng.integers(side)] += rng.integers(-60, 60)
    elif blemish == "noise":
        pixels += rng.normal(0, rng.choice([0.5, 3, 20]), pixels.shape)
    elif blemish == "light":
        pixels += np.linspace(0, 40, side)
    elif blemish == "blur":
        return np.asarray(image(pixels).filter(ImageFilter.GaussianBlur(side / 20)))
    return np.asarray(image(pixels))


class TestGlance:
    """A clean picture is seen through at a glance: the ink must be what the steps for others find."""

    @given(pixels=levels())
    @settings(max_examples=400, deadline=None)
    def test_the_ink_is_the_same(self, pixels: NDArray[np.uint8]) -> None:
        found: list[NDArray[np.uint8] | None] = []
        for kind in (np.uint8, np.float32):  # numbers that need not be whole are never taken for clean
            try:
                found.append(ink.find_ink(pixels.astype(kind)))
            except BlankPicture:
                found.append(None)
        np.testing.assert_array_equal(*found)

    @pytest.mark.parametrize("side", [32, 128, 400])
    def test_what_programs_paint_is_clean(self, side: int, letter: Outline) -> None:
        for levels_of in (grey(covered(letter, side)), grey(covered(letter, side), 255, 0)):
            assert ink._clean(np.asarray(image(levels_of))) is not None


class TestRefusals:
    @pytest.mark.parametrize("data", [b"", b"A", b"Dear Sir or Madam", b"<svg/>", b"%PDF-1.7", bytes(5000)])
    def test_what_is_no_picture_is_unsupported(self, data: bytes) -> None:
        with pytest.raises(UnsupportedPicture) as caught:
            read_ink(data)
        assert "PNG" in caught.value.remedy

    @pytest.mark.parametrize("kind", ["ICO", "TGA", "PPM", "PCX", "SGI", "JPEG2000", "AVIF", "DIB"])
    def test_other_decoders_are_out_of_reach(self, kind: str) -> None:
        with pytest.raises(UnsupportedPicture):
            read_ink(file(coloured(covered(LETTERS["R"])), kind))

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
    def test_half_a_picture_is_broken(self, kind: str) -> None:
        data = file(RNG.integers(0, 255, (64, 64)), kind)
        with pytest.raises(BrokenPicture) as caught:
            read_ink(data[: len(data) // 2])
        assert caught.value.remedy

    def test_too_many_bytes_are_refused_unread(self) -> None:
        with pytest.raises(PictureTooLarge) as caught:
            read_ink(bytes(101), PictureLimits(max_bytes=100))
        assert (caught.value.limit, caught.value.unit) == (100, "bytes")

    @pytest.mark.parametrize("side", [5_000, 10_000, 50_000])
    def test_a_bomb_is_refused_by_its_header(self, side: int) -> None:
        with no_warning(), pytest.raises(PictureTooLarge) as caught:
            read_ink(header_of(side, side))
        assert (caught.value.limit, caught.value.unit) == (24_000_000, "pixels")

    def test_the_pixel_limit_can_be_set(self) -> None:
        read_ink(GLYPH, PictureLimits(max_pixels=128 * 128))
        with pytest.raises(PictureTooLarge):
            read_ink(GLYPH, PictureLimits(max_pixels=128 * 128 - 1))

    @pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"max_pixels": -1}])
    def test_limits_must_be_positive(self, limits: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="positive"):
            PictureLimits(**limits)

    @pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    def test_one_colour_is_blank(self, level: int, kind: str) -> None:
        with pytest.raises(BlankPicture):
            read_ink(file(np.full((64, 48), level), kind))

    @pytest.mark.parametrize("colour", [(0, 0, 0, 0), (255, 255, 255, 0), (9, 9, 9, 255)])
    def test_nothing_at_all_is_blank(self, colour: tuple[int, int, int, int]) -> None:
        with pytest.raises(BlankPicture):
            read_ink(file(Image.new("RGBA", (40, 40), colour)))

    @pytest.mark.parametrize("side", [24, 128, 600])
    @pytest.mark.parametrize(("mean", "noise"), [(128, 1), (128, 20), (128, 60), (250, 10), (5, 10)])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    def test_noise_alone_is_blank(self, side: int, mean: int, noise: int, kind: str) -> None:
        with pytest.raises(BlankPicture):
            read_ink(file(RNG.normal(mean, noise, (side, side)), kind))

    @pytest.mark.parametrize("noise", [0, 5])
    def test_light_alone_is_blank(self, noise: int) -> None:
        y, x = np.mgrid[-1:1:160j, -1:1:120j]
        with pytest.raises(BlankPicture):
            read_ink(file(128 + 50 * x + 30 * y * y + RNG.normal(0, noise, x.shape)))

    def test_a_refusal_travels_between_processes(self) -> None:
        error = PictureTooLarge("Too large.", "Scale it down.", limit=7, unit="pixels")
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.message, copy.remedy, copy.limit, copy.unit) == (
            "Too large.",
            "Scale it down.",
            7,
            "pixels",
        )

    def test_pillow_warns_of_damage_and_we_do_not(self) -> None:
        data = file(grey(covered(LETTERS["R"])), "TIFF", tiffinfo={270: "x" * 100})
        entry = struct.pack("<HHI", 270, 2, 101)
        assert entry in data
        data = data.replace(entry, struct.pack("<HHI", 270, 2, 10**9))
        with pytest.warns(UserWarning, match="Tag data larger"):
            Image.open(io.BytesIO(data))
        with no_warning():
            assert likeness(data, LETTERS["R"]) > 0.97


class TestAnything:
    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        self.read_or_refuse(data)

    @settings(deadline=None, max_examples=400)
    @given(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"]), st.data())
    def test_any_damage_is_read_or_refused(self, kind: str, data: st.DataObject) -> None:
        damaged = bytearray(file(coloured(covered(LETTERS["R"], 32)).quantize(8).convert("RGB"), kind))
        places = st.integers(0, len(damaged) - 1)
        for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
            damaged[place] = value
        self.read_or_refuse(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]))

    @settings(deadline=None, max_examples=200)
    @given(
        st.integers(1, 40),
        st.integers(1, 40),
        st.sampled_from([1, 3, 4]),
        st.integers(0, 2**32),
        st.booleans(),
    )
    def test_any_pixels_are_read_or_blank(
        self, height: int, width: int, bands: int, seed: int, few: bool
    ) -> None:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (height, width, bands))
        if few:
            pixels = np.where(rng.random((height, width, 1)) < rng.random(), pixels[:1, :1], pixels[-1:, -1:])
        self.read_or_refuse(file(pixels[..., 0] if bands == 1 else pixels))

    @staticmethod
    def read_or_refuse(data: bytes) -> None:
        refusal = None
        with no_warning():
            try:
                raster = read_picture(data)
            except BadPicture as error:
                refusal = error
        if refusal:
            assert type(refusal) is not BadPicture
            assert refusal.message
            assert refusal.remedy
        else:
            assert raster.shape == (128, 128)
            assert raster.dtype == np.uint8
            assert raster.any()

    def test_threads_agree(self, letter: Outline) -> None:
        data = file(grey(covered(letter)), "JPEG")
        alone = read_picture(data)
        with ThreadPoolExecutor(4) as pool:
            for together in pool.map(read_picture, [data] * 40):
                np.testing.assert_array_equal(together, alone)


class TestCrumbs:
    """Where none are seen at a glance, there are none."""

    @staticmethod
    def clear(drawn: NDArray[np.uint8]) -> bool:
        apart = np.pad(drawn, 1)
        return ink._no_crumbs(bits.of_mask(apart > 16), bits.of_mask(apart >= 128), apart.shape[1])

    @settings(deadline=None, max_examples=300)
    @given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32))
    def test_no_blob_is_small_or_faint(self, height: int, width: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        drawn = np.zeros((height, width), np.uint8)
        for _ in range(rng.integers(1, 6)):
            top, left, tall, wide = (rng.integers(1 + side) for side in (height, width, height, width))
            drawn[top : top + tall // 2 + 1, left : left + wide // 2 + 1] = rng.choice([10, 100, 255])
        if self.clear(drawn):
            np.testing.assert_array_equal(ink._despeckle(drawn, shaded=False), drawn)

    @given(levels())
    @settings(deadline=None, max_examples=100)
    def test_a_letter_is_left_as_it_is(self, pixels: NDArray[np.uint8]) -> None:
        if self.clear(255 - pixels):
            np.testing.assert_array_equal(ink._despeckle(255 - pixels, shaded=False), 255 - pixels)

    def test_letters_have_none(self, letter: Outline) -> None:
        assert self.clear(np.rint(255 * covered(letter)).astype(np.uint8))

    def test_a_speck_is_one(self, letter: Outline) -> None:
        speckled = np.rint(255 * covered(letter)).astype(np.uint8)
        speckled[2, 2] = 255
        assert not self.clear(speckled)
        assert ink._despeckle(speckled, shaded=False)[2, 2] == 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "I;16", "CMYK"])
def test_colours_of_any_mode_are_three_channels_on_white(mode: str) -> None:
    packed = io.BytesIO()
    picture = Image.new("RGBA", (6, 4), (200, 30, 30, 0 if mode in ("RGBA", "LA") else 255))
    source = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    source.save(packed, "TIFF" if mode == "CMYK" else "PNG")
    colours = read_colours(packed.getvalue())
    assert colours.shape == (4, 6, 3)
    assert colours.dtype == np.uint8
    if mode in ("RGBA", "LA"):
        assert (colours == 255).all()
    if mode in ("RGB", "P"):
        assert colours[0, 0].tolist() == [200, 30, 30]
