"""TIFF files of many channels or 16 bits: the pixels are those of the file, in whatever order they lie there.

The references are the arrays that tifffile wrote.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from components.stage.errors import InputError
from components.store.decode import decode_shown, decode_square, decode_upright, decode_whole, read_all
from components.store.pages import NotRead, UnknownRange
from tests.store.encoded import encode_tiff
from tests.store.test_decode import SHOWN
from tests.store.tiffs import BANDS, CONTIGUOUS, PLANAR, pack_by_libtiff, set_tag, write_bands, write_pages, write_tiff

FIRST = BANDS.transpose(2, 0, 1)  # (N, H, W)
LAYOUTS: dict[str, dict[str, Any]] = {
    "not packed": {},
    "in strips": {"rowsperstrip": 7},
    "Deflate": {"compression": "zlib", "rowsperstrip": 7},
    "Deflate of differences": {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    "LZMA": {"compression": "lzma"},
    "tiles": {"tile": (16, 32)},
    "packed tiles": {"tile": (16, 32), "compression": "zlib", "predictor": True},
    "BigTIFF": {"bigtiff": True, "compression": "zlib"},
    "Motorola": {"byteorder": ">"},
    "Motorola, packed": {"byteorder": ">", "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_13_channels_have_the_values_of_their_file(layout: str) -> None:
    options = LAYOUTS[layout]
    for file in (write_bands(BANDS, **options), write_tiff(FIRST, **PLANAR, **options)):
        assert np.array_equal(decode_whole(file, channels=13, deep=True), BANDS)
        assert np.array_equal(decode_whole(file, channels=13, deep=False), BANDS >> 8), "the upper 8 bits"
    eight = (BANDS >> 8).astype(np.uint8)
    for deep in (False, True):
        whole = decode_whole(write_bands(eight, **options), channels=13, deep=deep)
        assert whole.dtype == (np.uint16 if deep else np.uint8)
        assert np.array_equal(whole, eight)


@pytest.mark.parametrize(("packing", "number"), [("tiff_lzw", 5), ("packbits", 32773), ("zstd", 50000)])
def test_what_tifffile_alone_does_not_unpack_is_unpacked_by_libtiff(packing: str, number: int) -> None:
    """GDAL packs by LZW unless it is told otherwise."""
    for kind in (BANDS, (BANDS >> 8).astype(np.uint8)):
        file = pack_by_libtiff(write_bands(kind), packing, number)
        assert np.array_equal(decode_whole(file, channels=13, deep=True), kind)


PAGES: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "channels first": (FIRST, {}),
    "channels last, a page per row": (BANDS, {}),
    "ImageJ": (FIRST, {"imagej": True}),
    "OME": (FIRST, {"ome": True, "metadata": {"axes": "CYX"}}),
    "named": (FIRST, {"metadata": {"axes": "CYX"}, "compression": "zlib"}),
    "square, as small as there are channels": (FIRST[:, :9, :9], {}),
    "a page per row, square": (BANDS[:9, :9], {}),
}


@pytest.mark.parametrize("kind", PAGES)
def test_pages_are_channels_if_the_description_says_so(kind: str) -> None:
    """`tifffile.imwrite(path, array)` makes a page per channel, or per row."""
    pixels, options = PAGES[kind]
    expected = pixels if pixels.shape[2] == 13 else pixels.transpose(1, 2, 0)
    assert np.array_equal(decode_whole(write_tiff(pixels, **options), channels=13, deep=True), expected)


@pytest.mark.parametrize(
    "options",
    [{"metadata": None}, {"metadata": {"axes": "ZYX"}}, {"imagej": True, "metadata": {"axes": "TYX"}}, {"ome": True}],
)
def test_other_pages_stay_other_pictures_of_which_the_first_is_taken(options: dict[str, Any]) -> None:
    """A scan of ten sheets, a stack of slices and a film are no image of ten channels."""
    file = write_tiff(FIRST, **options)
    if "ome" in options:
        file = file.replace(b'SizeC="13"', b'SizeC="1" ').replace(b'SizeZ="1"', b'SizeZ="9"')
    assert np.array_equal(decode_whole(file, channels=1, deep=True)[..., 0], FIRST[0])


def test_three_pages_are_three_channels_only_where_images_are_deep() -> None:
    """Without pretrain.images.range they stay what they were before, the first page alone."""
    file = write_tiff(FIRST[:3], imagej=True)
    assert np.array_equal(decode_whole(file, channels=3, deep=True), BANDS[..., :3])
    assert np.array_equal(decode_whole(file, channels=3, deep=False), np.repeat(BANDS[..., :1] >> 8, 3, axis=2))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gray_and_colours_of_16_bits_keep_them(channels: int) -> None:
    values = BANDS[..., :channels]
    for options in (CONTIGUOUS | {"photometric": "rgb"}, PLANAR | {"photometric": "rgb"}) if channels > 1 else ({},):
        shaped = values.transpose(2, 0, 1) if options.get("planarconfig") == "separate" else values
        file = write_tiff(shaped[..., 0] if channels == 1 else shaped, **options)
        assert np.array_equal(decode_whole(file, channels=channels, deep=True), values)
        shallow = decode_whole(file, channels=channels, deep=False)
        assert np.array_equal(shallow, values >> 8), "as Pillow has it"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_they_are_turned_as_they_say(orientation: int) -> None:
    stored = np.repeat(np.array(SHOWN[1], np.uint16)[..., None], 5, axis=2)
    file = write_bands(stored, extratags=[(274, 3, 1, orientation, True)])
    expected = np.repeat(np.array(SHOWN[orientation])[..., None], 5, axis=2)
    assert np.array_equal(decode_whole(file, channels=5, deep=True), expected)


def test_a_preview_before_the_picture_is_left_out() -> None:
    file = write_pages([(BANDS[:8, :8], 1)])
    both = write_pages([(BANDS[:8, :8], 1), (BANDS, 0)])
    assert np.array_equal(decode_whole(both, channels=13, deep=True), BANDS)
    assert read_all(file) is None, "of which Pillow says the reason"


def test_12_bits_in_a_byte_and_a_half_are_values_up_to_4095() -> None:
    twelve = bytes([0x00, 0x0F, 0xFF, 0x80, 0x0F, 0x00])
    file = encode_tiff(twelve, width=4, height=1, bits=12)
    assert decode_whole(file, channels=1, deep=True).ravel().tolist() == [0, 4095, 2048, 3840]


def test_16_bits_that_count_from_white_are_turned_round() -> None:
    values = np.array([0, 256, 65535], "<u2").tobytes()
    file = encode_tiff(values, width=3, height=1, bits=16, black=0)
    assert decode_whole(file, channels=1, deep=True).ravel().tolist() == [65535, 65279, 0]


def test_a_tile_that_is_not_written_is_the_value_for_nothing() -> None:
    """GDAL leaves out tiles at the edges of a scene."""
    file = write_bands(BANDS, tile=(16, 16), extratags=[(42113, 2, 3, "7", True)])
    with tifffile.TiffFile(io.BytesIO(file)) as opened:
        page = opened.pages.first
        places, sizes = page.tags[324].valueoffset, page.tags[325].valueoffset
    sparse = bytearray(file)
    sparse[places : places + 4], sparse[sizes : sizes + 2] = bytes(4), bytes(2)
    pixels = decode_whole(bytes(sparse), channels=13, deep=True)
    assert (pixels[:16, :16] == 7).all()
    assert np.array_equal(pixels[16:], BANDS[16:])


def test_a_square_of_the_store_is_the_files_own_where_the_size_fits() -> None:
    file = write_bands(BANDS[:32, :32])
    assert np.array_equal(decode_square(file, side=32, channels=13, deep=True), FIRST[:, :32, :32])
    assert decode_square(file, side=20, channels=13, deep=True).dtype == np.uint16
    assert decode_square(file, side=20, channels=13, deep=False).shape == (13, 20, 20)
    shown = np.asarray(decode_shown(file, low=0, high=65535, channels=(3, 2, 1)))
    assert np.abs(shown - BANDS[:32, :32, [3, 2, 1]] / 257).max() <= 0.5


def test_a_training_that_asks_for_other_channels_ends_with_their_number() -> None:
    for deep in (False, True):
        with pytest.raises(InputError, match=r"3 numbers, but an image has 13 channels: give mean and std 13 each"):
            decode_square(write_bands(BANDS), side=8, channels=3, deep=deep)


REFUSED: dict[str, tuple[type[Exception], Callable[[], bytes]]] = {
    "floats": (UnknownRange, lambda: write_bands(BANDS.astype(np.float32))),
    "signed": (UnknownRange, lambda: write_bands(BANDS.astype(np.int16))),
    "32 bits": (UnknownRange, lambda: write_bands(BANDS.astype(np.uint32))),
    "packed as JPEG 2000": (NotRead, lambda: set_tag(write_bands(BANDS), 259, 34712)),
    "65,535 channels": (NotRead, lambda: set_tag(write_bands(BANDS), 277, 65535)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_read_says_what_would_be_right(kind: str) -> None:
    error, make = REFUSED[kind]
    with pytest.raises(error):
        read_all(make())
    with pytest.raises(Image.UnidentifiedImageError):
        decode_upright(make())


def test_four_bands_are_no_colours_with_alpha() -> None:
    """Scaled as RGBA, their first three would be weighed by the fourth."""
    bands = np.zeros((32, 32, 4), np.uint8)
    bands[..., 0], bands[:16, :, 3] = 200, 255
    square = decode_square(write_bands(bands), side=16, channels=4, deep=False)
    assert (square[0] == 200).all()
    assert (square[1] == 0).all()
    assert decode_whole(write_bands(bands[:1]), channels=4, deep=False).shape == (1, 32, 4)
    with pytest.raises(InputError, match="3 numbers, but an image has 4 channels"):
        decode_square(write_bands(bands), side=16, channels=3, deep=False)
