"""`embed` takes values of 16 bits and any channels as the store's files have them; the reference is `decode_square`."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from components.encoder.normalise import normalise
from components.features.load import LoadedEncoder
from components.stage.errors import InputError
from components.store.decode import decode_square
from tests.encoder.made import make_encoder
from tests.small import encode_bands
from tests.store.encoded import encode_png16

SIDE, RANGE = 8, (100, 4095)
DEEP = np.random.default_rng(0).integers(0, 5000, (3, 20, 14, 13), np.uint16)


def load(channels: int, **pixels: Any) -> LoadedEncoder:
    return LoadedEncoder(*make_encoder(channels=channels, side=SIDE, **pixels))


def embed_file(loaded: LoadedEncoder, encoded: bytes) -> np.ndarray:
    images = loaded.config.images
    square = decode_square(encoded, side=SIDE, channels=images.channels, deep=images.deep)
    with torch.no_grad():
        return loaded.network(normalise(torch.from_numpy(square[None].copy()), images)).numpy()


@pytest.mark.parametrize("colours", [None, (3, 2, 1)])
def test_arrays_of_many_channels_are_seen_as_their_files(colours: Any) -> None:
    loaded = load(13, range=RANGE, colours=colours)
    expected = np.concatenate([embed_file(loaded, encode_bands(pixels)) for pixels in DEEP])
    np.testing.assert_allclose(loaded.embed(DEEP), expected, atol=1e-5)
    np.testing.assert_allclose(loaded.embed(list(DEEP)), expected, atol=1e-5)


def test_many_channels_of_8_bits_need_no_range() -> None:
    loaded, pixels = load(13), (DEEP // 20).astype(np.uint8)
    np.testing.assert_allclose(loaded.embed(pixels[:1]), embed_file(loaded, encode_bands(pixels[0])), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_colours_of_16_bits_become_the_encoders_channels(channels: int) -> None:
    loaded = load(channels, range=RANGE)
    for given in (DEEP[0, ..., :1], DEEP[0, ..., :3]):
        file = encode_png16(given)
        expected = embed_file(loaded, file)
        np.testing.assert_allclose(loaded.embed(given[None]), expected, atol=1e-5)
        np.testing.assert_allclose(loaded.embed(Image.open(io.BytesIO(file))), expected, atol=1e-5)
    gray = Image.fromarray(DEEP[0, ..., 0])
    np.testing.assert_allclose(loaded.embed(gray), loaded.embed(DEEP[:1, ..., 0]), atol=1e-5)


def open_decoded() -> Image.Image:
    opened = Image.open(io.BytesIO(encode_png16(DEEP[0, ..., :3])))
    opened.load()
    return opened


@pytest.mark.parametrize(
    ("channels", "pixels", "images", "message"),
    [
        (13, {}, DEEP, r"images\[0\]: numbers of type uint16, from 0 to 4997; scale to 0\.\.255 as uint8"),
        (
            13,
            {"range": RANGE},
            DEEP[..., :12],
            r"shape \(20, 14, 12\); pass uint8 or uint16 arrays of .*\(N, H, W, 13\)",
        ),
        (13, {"range": RANGE}, DEEP[0], r"shape \(20, 14, 13\) looks like one image; pass images\[None\]"),
        (13, {"range": RANGE}, DEEP / 1, r"float64, .*the range of this encoder is \[100, 4095\], as uint16"),
        (13, {"range": RANGE}, torch.zeros(1, 8, 8, 13), "images: Tensor; pass uint8 or uint16 arrays"),
        (3, {"range": RANGE}, open_decoded(), r"images\[0\]: a PNG that is decoded already, by Pillow to 8 bits"),
        (13, {"range": RANGE}, Image.new("RGB", (9, 9)), r"images\[0\]: 3 channels; pass .*\(N, H, W, 13\)"),
    ],
)
def test_what_cannot_be_read_is_said(channels: int, pixels: Any, images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(channels, **pixels).embed(images)


def test_the_files_that_the_card_names_are_read_as_they_are() -> None:
    """tifffile gives the channels last, as `embed` takes them."""
    assert np.array_equal(tifffile.imread(io.BytesIO(encode_bands(DEEP[0]))), DEEP[0])
