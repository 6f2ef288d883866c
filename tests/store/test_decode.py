"""Tests that the network sees what a viewer shows of a file: upright, the first frame, a square from its middle."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from components.store.decode import FORMATS, decode_square, decode_upright, decode_whole, to_channels
from tests.small import encode_png
from tests.store.encoded import encode_image

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
LOSSY: dict[str, dict[str, Any]] = {name: {"quality": 100} for name in ("JPEG", "MPO", "AVIF")}


STORED = [[1, 2, 3], [4, 5, 6]]
# By what the tag says of the stored row 0 and column 0: "6: row 0 is the right side, column 0 the top", and so on.
SHOWN = {
    1: STORED,
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


def encode_with_orientation(image: Image.Image, orientation: int, format: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode_image(image, format, exif=exif, **(LOSSLESS | LOSSY)[format])


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_exif_orientation_is_obeyed(format: str, orientation: int) -> None:
    """Fields of 16 pixels let the middle of each survive a lossy format. MPO is a phone's JPEG."""
    stored = np.kron(np.array(STORED, np.uint8) * 40, np.ones((16, 16), np.uint8))
    pixels = decode_whole(encode_with_orientation(Image.fromarray(stored), orientation, format), channels=1, deep=False)
    expected = np.array(SHOWN[orientation]) * 40
    assert pixels.shape == (16 * len(expected), 16 * len(expected[0]), 1)
    assert np.abs(pixels[8::16, 8::16, 0].astype(int) - expected).max() <= (0 if format in LOSSLESS else 2)


@pytest.mark.parametrize("orientation", SHOWN)
def test_exif_orientation_is_obeyed_before_anything_else_is_done(orientation: int) -> None:
    """This holds if 16 bits become 8, if a palette is looked up, and if a square is cut."""
    deep = Image.fromarray(np.array(STORED, np.uint16) * (40 * 256))
    assert np.array_equal(
        decode_whole(encode_with_orientation(deep, orientation, "TIFF"), channels=1, deep=False)[..., 0],
        np.array(SHOWN[orientation]) * 40,
    )
    indexed = Image.fromarray(np.array(STORED, np.uint8), "P")
    indexed.putpalette([7 * index for index in range(7) for _ in range(3)])
    file = encode_with_orientation(indexed, orientation, "PNG")
    assert np.array_equal(decode_whole(file, channels=1, deep=False)[..., 0], np.array(SHOWN[orientation]) * 7)
    wide = np.full((2, 6, 3), 255, np.uint8)
    wide[:, 2:4] = np.array(STORED, np.uint8)[:, :2, None] * 10
    square = decode_square(
        encode_with_orientation(Image.fromarray(wide), orientation, "PNG"), side=2, channels=1, deep=False
    )
    middle = {1: [[1, 2], [4, 5]], 2: [[2, 1], [5, 4]], 3: [[5, 4], [2, 1]], 4: [[4, 5], [1, 2]]}
    middle |= {5: [[1, 4], [2, 5]], 6: [[4, 1], [5, 2]], 7: [[5, 2], [4, 1]], 8: [[2, 5], [1, 4]]}
    assert np.array_equal(square[0], np.array(middle[orientation]) * 10)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_of_several_frames_the_first_is_taken(format: str) -> None:
    red, blue = (Image.new("RGB", (12, 8), name) for name in ("red", "blue"))
    file = encode_image(red, format, save_all=True, append_images=[blue, blue])
    assert Image.open(io.BytesIO(file)).n_frames >= 2
    pixels = decode_whole(file, channels=3, deep=False)
    assert pixels.shape == (8, 12, 3)
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 2


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>'


@pytest.mark.parametrize("format", ["EPS", "TGA", "ICO", "PCX", "SGI"])
def test_formats_that_run_programs_or_have_no_mark_are_refused_though_pillow_reads_them(format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, format)
    assert Image.open(io.BytesIO(file.getvalue())).format == format
    with pytest.raises(UnidentifiedImageError):
        to_channels(decode_upright(file.getvalue()), 3)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4\n", SVG, b"\0" * 100], ids=["empty", "PDF", "SVG", "zeros"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(UnidentifiedImageError):
        to_channels(decode_upright(content), 3)


@pytest.mark.parametrize("kept", [0.5, 0.95])
@pytest.mark.parametrize("format", [name for name in FORMATS if name != "AVIF"])
def test_a_file_that_ends_too_early_raises(format: str, kept: float) -> None:
    """Otherwise its lower half would be gray and would be trained on."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    file = encode_image(Image.fromarray(noise), format)
    assert decode_whole(file, channels=3, deep=False).shape == (48, 64, 3)
    with pytest.raises(OSError, match=r"truncated|broken|decoder"):
        to_channels(decode_upright(file[: int(kept * len(file))]), 3)


def test_other_sizes_are_scaled_to_cover_and_cut_in_the_middle() -> None:
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 200
    assert decode_square(encode_png(wide), side=10, channels=1, deep=False).min() == 200, (
        "the middle third is all that is left"
    )
    assert decode_square(encode_png(wide.T), side=10, channels=1, deep=False).min() == 200
    assert decode_square(encode_png(wide), side=5, channels=1, deep=False).shape == (1, 5, 5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(10, 30), (30, 10), (7, 5), (1, 40)])
def test_an_image_of_any_shape_becomes_a_square_of_so_many_channels(shape: tuple[int, int], channels: int) -> None:
    pixels = np.zeros((*shape, 4), np.uint8)
    pixels[:] = (200, 100, 50, 255)
    square = decode_square(encode_png(pixels), side=10, channels=channels, deep=False)
    assert square.shape == (channels, 10, 10)
    gray = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    expected = {1: (gray,), 2: (gray, 255), 3: (200, 100, 50), 4: (200, 100, 50, 255)}[channels]
    assert np.array_equal(square, np.broadcast_to(np.array(expected)[:, None, None], square.shape))


def test_gray_becomes_three_equal_channels() -> None:
    pixels = decode_square(encode_png(np.arange(64).reshape(8, 8)), side=8, channels=3, deep=False)
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[0] == np.arange(64).reshape(8, 8)).all()


def test_colours_that_nobody_sees_do_not_spread_when_a_picture_is_scaled() -> None:
    """Between transparent red and opaque blue, a half covered pixel is half transparent and blue."""
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, :15] = (255, 0, 0, 0)
    pixels[:, 15:] = (0, 0, 255, 255)
    small = decode_square(encode_png(pixels), side=8, channels=4, deep=False)
    seen = small[:, small[3] > 0]
    assert seen[0].max() <= 2
    assert seen[2].min() >= 253
    assert 0 < small[3, 4, 3] < 255
