"""A picture of the page shows what an image viewer shows of the stored file."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from components.report.page.pictures import SHOWN_SIDE, make_thumbnail
from tests.small import RGB, encode_png
from tests.store.encoded import encode_image, encode_png16


def read_thumbnail(encoded: bytes) -> np.ndarray:
    """Read the pixels of an image's thumbnail: (H, W, 3)."""
    with Image.open(io.BytesIO(base64.b64decode(make_thumbnail(encoded, 10_000, RGB).split(",")[1]))) as picture:
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
