"""Modes and depths: whatever a file holds, the colours are those that a viewer shows."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from components.store.decode import UnknownRange, decode_whole
from tests.small import png
from tests.store.encoded import encode, png16, tiff

CHANNELS = (1, 2, 3, 4)
RNG = np.random.default_rng(5)


def seen(rgba: np.ndarray, channels: int) -> np.ndarray:
    """(H, W, 4) -> (H, W, C) by the formulas: over white without alpha, gray by ITU-R BT.601."""
    colours, alpha = rgba[..., :3].astype(float), rgba[..., 3:].astype(float)
    if channels in (1, 3):
        colours = (colours * alpha + 255 * (255 - alpha)) / 255
    if channels <= 2:
        colours = colours @ np.array([[0.299], [0.587], [0.114]])
    return np.concatenate([colours, alpha], 2) if channels in (2, 4) else colours


def shows(file: bytes, rgba: np.ndarray, within: float = 1.0) -> None:
    """In every number of channels; 8 bits are rounded once to go over white and once to become gray."""
    for channels in CHANNELS:
        found = decode_whole(file, channels=channels)
        assert found.dtype == np.uint8
        assert found.shape == (*rgba.shape[:2], channels)
        apart = np.abs(found - seen(rgba, channels))
        assert apart.max() <= within + 0.01, (channels, apart.max())


def opaque(rgb: np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255)], 2)


@pytest.fixture
def rgba() -> np.ndarray:
    """7 x 5 pixels of any colour and alpha, clear and opaque ones among them."""
    pixels = RNG.integers(0, 256, (7, 5, 4), dtype=np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    return pixels


def test_alpha_is_over_white_or_kept(rgba: np.ndarray) -> None:
    """Over black, a logo that is black on nothing would vanish."""
    for format, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        shows(encode(Image.fromarray(rgba), format, **options), rgba)
    shows(png(rgba[..., :3]), opaque(rgba[..., :3]))


def test_gray_with_alpha_too(rgba: np.ndarray) -> None:
    gray = rgba[..., [0, 0, 0, 3]]
    shows(png(rgba[..., [0, 3]]), gray)
    shows(png(rgba[..., 0]), opaque(gray[..., :3]))


@pytest.fixture
def indexed() -> Image.Image:
    image = Image.fromarray(RNG.permutation(35).reshape(7, 5).astype(np.uint8), "P")
    image.putpalette(RNG.integers(0, 256, 35 * 3).tolist())
    return image


def colours_of(indexed: Image.Image, alpha: list[int]) -> np.ndarray:
    palette = np.array(indexed.getpalette()[: 35 * 3]).reshape(35, 3)
    return np.concatenate([palette, np.array(alpha)[:, None]], 1)[np.asarray(indexed)]


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF"])
def test_a_palette_is_looked_up(format: str, indexed: Image.Image) -> None:
    shows(encode(indexed, format), colours_of(indexed, [255] * 35))


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_one_entry_of_a_palette_may_be_transparent(format: str, indexed: Image.Image) -> None:
    alpha = [255] * 35
    alpha[4] = 0
    shows(encode(indexed, format, transparency=4), colours_of(indexed, alpha))


def test_every_entry_of_a_palette_may_have_an_alpha_of_its_own(indexed: Image.Image) -> None:
    alpha = RNG.integers(0, 256, 35).tolist()
    shows(encode(indexed, "PNG", transparency=bytes(alpha)), colours_of(indexed, alpha))


def test_one_colour_may_mean_that_nothing_is_there(rgba: np.ndarray) -> None:
    """In files without alpha and palette, as tools that shrink PNG make them."""
    rgb = rgba[..., :3]
    rgb[2, 3] = rgb[5, 1]
    clear = (rgb == rgb[5, 1]).all(2, keepdims=True)
    expected = np.where(clear, np.append(rgb[5, 1], 0), opaque(rgb))
    shows(encode(Image.fromarray(rgb), "PNG", transparency=tuple(rgb[5, 1].tolist())), expected)
    gray = np.repeat(rgb[..., :1], 3, 2)
    value = int(gray[5, 1, 0])
    shows(
        encode(Image.fromarray(gray[..., 0]), "PNG", transparency=value),
        np.where(gray[..., :1] == value, np.append(gray[5, 1], 0), opaque(gray)),
    )


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_one_bit_is_black_and_white(format: str) -> None:
    bits = RNG.integers(0, 2, (7, 5)).astype(bool)
    shows(encode(Image.fromarray(bits), format), opaque(np.repeat(bits[..., None] * 255, 3, 2)), within=0)


def smooth() -> np.ndarray:
    """A picture that JPEG keeps to a few levels: (48, 64, 3) uint8."""
    x, y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 48))
    return (255 * np.stack([x, y, 1 - x * y], 2)).round().astype(np.uint8)


def to_cmyk(rgb: np.ndarray) -> np.ndarray:
    """With as much black as there is: R = 255 (1 - C) (1 - K)."""
    white = rgb.max(2, keepdims=True) / 255  # 1 - K
    return np.concatenate([255 - rgb / np.maximum(white, 0.001), 255 - 255 * white], 2).round().astype(np.uint8)


def test_inks_become_colours() -> None:
    """JPEG as Adobe writes it, ink as 255 - ink, which OpenCV reads by itself; TIFF as it is."""
    rgb, inks = smooth(), Image.fromarray(to_cmyk(smooth()), "CMYK")
    jpeg = encode(inks, "JPEG", quality=98, subsampling=0)
    assert b"Adobe" in jpeg
    by_opencv = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(by_opencv.astype(int) - rgb).max() <= 5
    shows(jpeg, opaque(rgb), within=4)
    shows(encode(inks, "TIFF"), opaque(rgb))


@pytest.mark.parametrize(("space", "within"), [("LAB", 14), ("YCbCr", 3)])
def test_other_colour_spaces_become_colours(space: str, within: float) -> None:
    """Within what the other space's 8 bits can tell apart."""
    muted = smooth() // 2 + 64
    shows(encode(Image.fromarray(muted).convert(space), "TIFF"), opaque(muted), within)


DEEP: dict[str, Callable[[np.ndarray], bytes]] = {
    "PNG": lambda values: png16(values[..., None]),
    "TIFF of Intel": lambda values: tiff(values.astype("<u2").tobytes(), width=256, height=256, bits=16),
    "TIFF of Motorola": lambda values: tiff(values.astype(">u2").tobytes(), width=256, height=256, bits=16, order=">"),
    "PGM": lambda values: b"P5 256 256 65535\n" + values.astype(">u2").tobytes(),
    "JPEG2000": lambda values: encode(Image.fromarray(values), "JPEG2000"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_16_bits_are_scaled_and_not_clipped(kind: str) -> None:
    """All 65,536 grays, within one of 255 levels; what was of 8 bits once, scaled by 257 or by 256, is so again."""
    values = RNG.permutation(2**16).reshape(256, 256).astype(np.uint16)
    found = decode_whole(DEEP[kind](values), channels=1)[..., 0]
    assert np.abs(found - values * (255 / 65535)).max() <= 1
    assert np.array_equal(found[values % 257 == 0], values[values % 257 == 0] // 257)
    assert np.array_equal(found[values % 256 == 0], values[values % 256 == 0] // 256)
    shows(DEEP[kind](values), opaque(np.repeat(found[..., None], 3, 2)), within=0)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bits_a_channel_are_scaled_as_well(channels: int) -> None:
    values = RNG.integers(0, 2**16, (7, 5, channels))
    picture = values / 257
    if channels == 2:
        picture = picture[..., [0, 0, 0, 1]]
    shows(png16(values), picture if channels != 3 else opaque(picture), within=2)


def test_one_gray_of_65536_may_mean_that_nothing_is_there() -> None:
    """As map tiles mark what was not measured; its neighbour, the same in 8 bits, was."""
    found = decode_whole(png16(np.array([[[1000], [1001], [65535]]]), transparent=(1000,)), channels=2)
    assert found.tolist() == [[[3, 0], [3, 255], [255, 255]]]


def test_a_tiff_may_hold_12_bits_or_count_from_white() -> None:
    twelve = bytes([0x00, 0x0F, 0xFF, 0x80, 0x0F, 0x00])  # 0, 4095, 2048, 3840
    assert decode_whole(tiff(twelve, width=4, height=1, bits=12), channels=1).ravel().tolist() == [0, 255, 128, 240]
    values = np.array([0, 256, 65535], "<u2").tobytes()
    found = decode_whole(tiff(values, width=3, height=1, bits=16, black=0), channels=1)
    assert found.ravel().tolist() == [255, 254, 0]


UNKNOWN = {
    "floats": tiff(np.array([0.0, 1.0], "<f4").tobytes(), width=2, height=1, bits=32, numbers=3),
    "floats of PFM": b"Pf\n2 1\n-1.0\n" + np.array([0.0, 1.0], "<f4").tobytes(),
    "32 bits": tiff(np.array([0, 2**31], "<u4").tobytes(), width=2, height=1, bits=32),
    "32 bits, small": tiff(np.array([0, 255], "<u4").tobytes(), width=2, height=1, bits=32),
    "signed": tiff(np.array([0, 255], "<i2").tobytes(), width=2, height=1, bits=16, numbers=2),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_pixels_whose_range_nobody_knows_are_refused_whatever_their_values(kind: str) -> None:
    """Else a map of 0..255 in 32 bits would be black, and only as long as no value is larger."""
    for channels in CHANNELS:
        with pytest.raises(UnknownRange, match="save it with 8 or 16 bits"):
            decode_whole(UNKNOWN[kind], channels=channels)
