"""A picture of the page shows what an image viewer shows of the stored file."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.encoder.params import Images
from components.report.page.pictures import SHOWN_SIDE, make_thumbnail
from tests.small import RGB, encode_bands, encode_png
from tests.store.encoded import encode_image, encode_png16


def read_thumbnail(encoded: bytes, images: Images = RGB) -> np.ndarray:
    """Read the pixels of an image's thumbnail: (H, W, 3)."""
    with Image.open(io.BytesIO(base64.b64decode(make_thumbnail(encoded, 10_000, images).split(",")[1]))) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def test_it_is_upright_and_small() -> None:
    """The image is stored as 400 x 200, lying on its side; its upper half is white."""
    stored = np.zeros((200, 400), np.uint8)
    stored[:, :200] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # row 0 is the right side, column 0 the top
    picture = read_thumbnail(encode_image(Image.fromarray(stored), "JPEG", exif=exif))
    assert picture.shape == (SHOWN_SIDE, SHOWN_SIDE // 2, 3)
    assert picture[10:50].min() > 250
    assert picture[80:].max() < 5


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_is_white(channels: int) -> None:
    assert read_thumbnail(encode_png(np.zeros((8, 8, channels)))).min() == 255


def test_16_bits_are_not_cut_off() -> None:
    assert read_thumbnail(encode_png16(np.full((8, 8, 1), 128 * 256)))[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize(
    ("colours", "shown"), [((3, 2, 1), [255, 170, 85]), (None, [0, 0, 0]), ((), [0, 0, 0]), ((2,), [170] * 3)]
)
def test_many_channels_are_shown_by_those_that_are_named_or_the_first(colours: Any, shown: list[int]) -> None:
    """Channel n is n times 1,365 of 4,095."""
    pixels = np.broadcast_to(np.arange(6, dtype=np.uint16) * 1365, (8, 8, 6))
    images = RGB.model_copy(update={"mean": (0.5,) * 6, "std": (0.2,) * 6, "range": (0, 4095), "colours": colours})
    assert read_thumbnail(encode_bands(pixels), images)[4, 4].tolist() == shown


def test_a_range_says_what_is_white() -> None:
    """Twelve bits in 16 would else be nearly black."""
    images = RGB.model_copy(update={"range": (0, 4095)})
    assert read_thumbnail(encode_png16(np.full((8, 8, 3), 2048)), images)[0, 0].tolist() == [128] * 3
