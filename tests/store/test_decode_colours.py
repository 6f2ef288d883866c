"""Tests modes and depths: whatever a file holds, the colours are those that a viewer shows."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from components.store.decode import decode_upright, decode_whole, to_channels
from components.store.pages import UnknownRange
from tests.small import encode_png
from tests.store.encoded import encode_image, encode_png16, encode_png_row, encode_tiff

CHANNELS = (1, 2, 3, 4)
RNG = np.random.default_rng(5)


def compute_expected(rgba: np.ndarray, channels: int) -> np.ndarray:
    """Compute (H, W, 4) -> (H, W, C) by the formulas: over white without alpha, gray by ITU-R BT.601."""
    colours, alpha = rgba[..., :3].astype(float), rgba[..., 3:].astype(float)
    if channels in (1, 3):
        colours = (colours * alpha + 255 * (255 - alpha)) / 255
    if channels <= 2:
        colours = colours @ np.array([[0.299], [0.587], [0.114]])
    return np.concatenate([colours, alpha], 2) if channels in (2, 4) else colours


def assert_shows(file: bytes, rgba: np.ndarray, within: float = 1.0) -> None:
    """Assert that a file shows these colours in every number of channels; white and gray each round to 8 bits once."""
    for channels in CHANNELS:
        pixels = decode_whole(file, channels=channels, deep=False)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (*rgba.shape[:2], channels)
        apart = np.abs(pixels - compute_expected(rgba, channels))
        assert apart.max() <= within + 0.01, (channels, apart.max())


def add_opaque_alpha(rgb: np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255)], 2)


@pytest.fixture
def rgba() -> np.ndarray:
    """Draw 7 x 5 pixels of any colour and alpha, clear and opaque ones among them."""
    pixels = RNG.integers(0, 256, (7, 5, 4), dtype=np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    return pixels


def test_alpha_is_over_white_or_kept(rgba: np.ndarray) -> None:
    """Over black, a black logo on a transparent background would vanish."""
    for format, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert_shows(encode_image(Image.fromarray(rgba), format, **options), rgba)
    assert_shows(encode_png(rgba[..., :3]), add_opaque_alpha(rgba[..., :3]))


def test_gray_with_alpha_too(rgba: np.ndarray) -> None:
    gray = rgba[..., [0, 0, 0, 3]]
    assert_shows(encode_png(rgba[..., [0, 3]]), gray)
    assert_shows(encode_png(rgba[..., 0]), add_opaque_alpha(gray[..., :3]))


@pytest.fixture
def indexed() -> Image.Image:
    image = Image.fromarray(RNG.permutation(35).reshape(7, 5).astype(np.uint8), "P")
    image.putpalette(RNG.integers(0, 256, 35 * 3).tolist())
    return image


def look_up_colours(indexed: Image.Image, alpha: list[int]) -> np.ndarray:
    palette = np.array(indexed.getpalette()[: 35 * 3]).reshape(35, 3)
    return np.concatenate([palette, np.array(alpha)[:, None]], 1)[np.asarray(indexed)]


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF"])
def test_a_palette_is_looked_up(format: str, indexed: Image.Image) -> None:
    assert_shows(encode_image(indexed, format), look_up_colours(indexed, [255] * 35))


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_one_entry_of_a_palette_may_be_transparent(format: str, indexed: Image.Image) -> None:
    alpha = [255] * 35
    alpha[4] = 0
    assert_shows(encode_image(indexed, format, transparency=4), look_up_colours(indexed, alpha))


def test_every_entry_of_a_palette_may_have_an_alpha_of_its_own(indexed: Image.Image) -> None:
    alpha = RNG.integers(0, 256, 35).tolist()
    assert_shows(encode_image(indexed, "PNG", transparency=bytes(alpha)), look_up_colours(indexed, alpha))


def test_one_colour_may_mean_that_nothing_is_there(rgba: np.ndarray) -> None:
    """Tools that shrink PNG files make such files, without alpha and palette."""
    rgb = rgba[..., :3]
    rgb[2, 3] = rgb[5, 1]
    clear = (rgb == rgb[5, 1]).all(2, keepdims=True)
    expected = np.where(clear, np.append(rgb[5, 1], 0), add_opaque_alpha(rgb))
    assert_shows(encode_image(Image.fromarray(rgb), "PNG", transparency=tuple(rgb[5, 1].tolist())), expected)
    gray = np.repeat(rgb[..., :1], 3, 2)
    value = int(gray[5, 1, 0])
    assert_shows(
        encode_image(Image.fromarray(gray[..., 0]), "PNG", transparency=value),
        np.where(gray[..., :1] == value, np.append(gray[5, 1], 0), add_opaque_alpha(gray)),
    )


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_one_bit_is_black_and_white(format: str) -> None:
    bits = RNG.integers(0, 2, (7, 5)).astype(bool)
    assert_shows(
        encode_image(Image.fromarray(bits), format), add_opaque_alpha(np.repeat(bits[..., None] * 255, 3, 2)), within=0
    )


def draw_smooth() -> np.ndarray:
    """Draw a picture that JPEG keeps to a few levels: (48, 64, 3) uint8."""
    x, y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 48))
    return (255 * np.stack([x, y, 1 - x * y], 2)).round().astype(np.uint8)


def to_cmyk(rgb: np.ndarray) -> np.ndarray:
    """Convert colours to inks with as much black as possible: R = 255 (1 - C) (1 - K)."""
    white = rgb.max(2, keepdims=True) / 255  # 1 - K
    return np.concatenate([255 - rgb / np.maximum(white, 0.001), 255 - 255 * white], 2).round().astype(np.uint8)


def test_inks_become_colours() -> None:
    """Adobe's JPEG stores ink as 255 - ink, which OpenCV reads as well; TIFF stores it unchanged."""
    rgb, inks = draw_smooth(), Image.fromarray(to_cmyk(draw_smooth()), "CMYK")
    jpeg = encode_image(inks, "JPEG", quality=98, subsampling=0)
    assert b"Adobe" in jpeg
    by_opencv = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(by_opencv.astype(int) - rgb).max() <= 5
    assert_shows(jpeg, add_opaque_alpha(rgb), within=4)
    assert_shows(encode_image(inks, "TIFF"), add_opaque_alpha(rgb))


@pytest.mark.parametrize(("space", "within"), [("LAB", 14), ("YCbCr", 3)])
def test_other_colour_spaces_become_colours(space: str, within: float) -> None:
    """The tolerance is what the other space's 8 bits can tell apart."""
    muted = draw_smooth() // 2 + 64
    assert_shows(encode_image(Image.fromarray(muted).convert(space), "TIFF"), add_opaque_alpha(muted), within)


DEEP: dict[str, Callable[[np.ndarray], bytes]] = {
    "PNG": lambda values: encode_png16(values[..., None]),
    "TIFF of Intel": lambda values: encode_tiff(values.astype("<u2").tobytes(), width=256, height=256, bits=16),
    "TIFF of Motorola": lambda values: encode_tiff(
        values.astype(">u2").tobytes(), width=256, height=256, bits=16, order=">"
    ),
    "PGM": lambda values: b"P5 256 256 65535\n" + values.astype(">u2").tobytes(),
    "JPEG2000": lambda values: encode_image(Image.fromarray(values), "JPEG2000"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_16_bits_are_scaled_and_not_clipped(kind: str) -> None:
    """All 65,536 grays are within one of 255 levels; 8 bits that were scaled by 257 or 256 come back exactly."""
    values = RNG.permutation(2**16).reshape(256, 256).astype(np.uint16)
    pixels = decode_whole(DEEP[kind](values), channels=1, deep=False)[..., 0]
    assert np.abs(pixels - values * (255 / 65535)).max() <= 1
    assert np.array_equal(pixels[values % 257 == 0], values[values % 257 == 0] // 257)
    assert np.array_equal(pixels[values % 256 == 0], values[values % 256 == 0] // 256)
    assert_shows(DEEP[kind](values), add_opaque_alpha(np.repeat(pixels[..., None], 3, 2)), within=0)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bits_a_channel_are_scaled_as_well(channels: int) -> None:
    values = RNG.integers(0, 2**16, (7, 5, channels))
    picture = values / 257
    if channels == 2:
        picture = picture[..., [0, 0, 0, 1]]
    assert_shows(encode_png16(values), picture if channels != 3 else add_opaque_alpha(picture), within=2)


def test_one_gray_of_65536_may_mean_that_nothing_is_there() -> None:
    """Map tiles mark missing measurements this way; the neighbouring gray, the same in 8 bits, stays opaque."""
    pixels = decode_whole(
        encode_png16(np.array([[[1000], [1001], [65535]]]), transparent=(1000,)), channels=2, deep=False
    )
    assert pixels.tolist() == [[[3, 0], [3, 255], [255, 255]]]


def test_one_colour_of_16_bits_may_mean_that_nothing_is_there() -> None:
    """Neighbouring colours, the same in 8 bits, stay opaque; of a black that is marked only black itself vanishes."""
    colours = np.array([[[0x1234, 0x5678, 0x9ABC], [0x1234, 0x5678, 0x9ABD], [0, 0, 0], [0, 0, 255], [65535, 0, 0]]])
    rgb = colours >> 8
    for index in (0, 2):
        marked = tuple(int(value) for value in colours[0, index])
        alpha = np.where(np.arange(5) == index, 0, 255)[None, :, None]
        file = encode_png16(colours, transparent=marked)
        assert decode_whole(file, channels=4, deep=False).tolist() == np.concatenate([rgb, alpha], 2).tolist()
        assert decode_whole(file, channels=3, deep=False).tolist() == np.where(alpha == 0, 255, rgb).tolist()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_one_gray_of_few_bits_may_mean_that_nothing_is_there(bits: int) -> None:
    """A PNG marks the gray in its own steps: 1 of 0..3 is 85 of 0..255."""
    count = 2**bits
    values = np.arange(8, dtype=np.uint8) % count
    row = np.packbits(np.unpackbits(values[:, None], axis=1)[:, 8 - bits :].ravel()).tobytes()
    gray = values.astype(int) * 255 // (count - 1)
    for marked in (0, count - 1, 1):
        pixels = decode_whole(encode_png_row(row, bits, width=8, transparent=marked), channels=2, deep=False)[0]
        assert pixels.tolist() == [
            [shade, 0 if value == marked else 255] for shade, value in zip(gray, values, strict=True)
        ]


def test_a_tiff_may_hold_12_bits_or_count_from_white() -> None:
    twelve = bytes([0x00, 0x0F, 0xFF, 0x80, 0x0F, 0x00])  # 0, 4095, 2048, 3840
    assert decode_whole(encode_tiff(twelve, width=4, height=1, bits=12), channels=1, deep=False).ravel().tolist() == [
        0,
        255,
        128,
        240,
    ]
    values = np.array([0, 256, 65535], "<u2").tobytes()
    pixels = decode_whole(encode_tiff(values, width=3, height=1, bits=16, black=0), channels=1, deep=False)
    assert pixels.ravel().tolist() == [255, 254, 0]


UNKNOWN = {
    "floats": encode_tiff(np.array([0.0, 1.0], "<f4").tobytes(), width=2, height=1, bits=32, numbers=3),
    "floats of PFM": b"Pf\n2 1\n-1.0\n" + np.array([0.0, 1.0], "<f4").tobytes(),
    "32 bits": encode_tiff(np.array([0, 2**31], "<u4").tobytes(), width=2, height=1, bits=32),
    "32 bits, small": encode_tiff(np.array([0, 255], "<u4").tobytes(), width=2, height=1, bits=32),
    "signed, 8 bits": encode_tiff(np.array([-128, 127], "i1").tobytes(), width=2, height=1, bits=8, numbers=2),
    "signed": encode_tiff(np.array([0, 255], "<i2").tobytes(), width=2, height=1, bits=16, numbers=2),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_pixels_whose_range_nobody_knows_are_refused_whatever_their_values(kind: str) -> None:
    """Otherwise a map of 0..255 in 32 bits would be black, but only as long as no value is larger."""
    for channels in CHANNELS:
        with pytest.raises(UnknownRange, match="save it with 8 or 16 bits"):
            to_channels(decode_upright(UNKNOWN[kind]), channels)


def test_gray_that_is_multiplied_by_its_alpha_is_shown_over_white() -> None:
    """So Pillow opens a TIFF whose ExtraSamples say that alpha is associated."""
    plain = Image.merge("LA", [Image.new("L", (2, 1), 80), Image.frombytes("L", (2, 1), bytes([128, 255]))])
    multiplied = plain.convert("La")
    for channels in CHANNELS:
        shown, expected = (np.asarray(to_channels(image, channels), dtype=int) for image in (multiplied, plain))
        assert np.abs(shown - expected).max() <= 1
