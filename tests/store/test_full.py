"""PNG, PPM and JPEG 2000 of more than 8 bits keep the values of their file where images are deep.

The references are the values that were written, and OpenCV, which reads PNG by another library.
"""

import cv2
import numpy as np
import pytest
from PIL import Image

from components.stage.errors import InputError
from components.store.decode import decode_square, decode_whole, read_all
from tests.store.encoded import encode_image, encode_png16
from tests.store.test_decode import SHOWN, STORED

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_keeps_them(channels: int) -> None:
    values = RNG.integers(0, 2**16, (7, 5, channels))
    file = encode_png16(values)
    assert np.array_equal(decode_whole(file, channels=channels, deep=True), values)
    seen = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if channels == 3:
        assert np.array_equal(decode_whole(file, channels=3, deep=True), seen[..., ::-1])
    assert (decode_whole(file, channels=channels, deep=False) == values >> 8).all(), "as ever"


@pytest.mark.parametrize("colours", [cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR])
def test_an_interlaced_or_filtered_png_keeps_them_too(colours: int) -> None:
    """Writers filter rows, which the tests' own files do not."""
    smooth = np.add.outer(np.arange(40), np.arange(50))[..., None] * np.array([300, 500, 700])
    pixels = (smooth if colours == cv2.IMREAD_COLOR else smooth[..., :1]).astype(np.uint16)
    _, encoded = cv2.imencode(".png", pixels)
    whole = decode_whole(encoded.tobytes(), channels=pixels.shape[2], deep=True)
    assert np.array_equal(whole[..., ::-1], pixels)


def test_a_colour_that_means_nothing_is_there_becomes_white_or_alpha() -> None:
    colours = np.array([[[0x1234, 0x5678, 0x9ABC], [0x1234, 0x5678, 0x9ABD]]])
    file = encode_png16(colours, transparent=(0x1234, 0x5678, 0x9ABC))
    assert decode_whole(file, channels=3, deep=True).tolist() == [[[65535] * 3, colours[0, 1].tolist()]]
    assert decode_whole(file, channels=4, deep=True)[0, :, 3].tolist() == [0, 65535]
    gray = encode_png16(np.array([[[1000], [1001]]]), transparent=(1000,))
    assert decode_whole(gray, channels=2, deep=True).tolist() == [[[1000, 0], [1001, 65535]]]


@pytest.mark.parametrize("orientation", SHOWN)
def test_orientation_is_obeyed_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encode_image(Image.fromarray(np.array(STORED, np.uint16) * 999), "PNG", exif=exif)
    assert np.array_equal(decode_whole(file, channels=1, deep=True)[..., 0], np.array(SHOWN[orientation]) * 999)


def test_netpbm_keeps_its_values_whatever_the_highest_may_be() -> None:
    values = RNG.integers(0, 4096, (3, 4, 3))
    text = " ".join(map(str, values.ravel())).encode()
    for highest in (b"4095", b"65535"):
        head = b"P6\n# made by hand\n4 3\n" + highest + b"\n"
        assert np.array_equal(decode_whole(head + values.astype(">u2").tobytes(), channels=3, deep=True), values)
        assert np.array_equal(
            decode_whole(head.replace(b"P6", b"P3") + b"# once more\n" + text, channels=3, deep=True), values
        )
    gray = b"P5 4 3 4095\n" + values[..., 0].astype(">u2").tobytes()
    assert np.array_equal(decode_whole(gray, channels=1, deep=True), values[..., :1])
    with pytest.raises(InputError, match="cannot be decoded"):
        decode_whole(gray[:-3], channels=1, deep=True)


@pytest.mark.parametrize("bits", [12, 16])
def test_gray_of_jpeg_2000_keeps_its_values(bits: int) -> None:
    """Pillow scales 12 bits to 16. A stream holds differences to the middle, so that 16 bits can be called 12."""
    values = RNG.integers(0, 2**bits, (64, 64)).astype(np.uint16)
    written = values + np.uint16(2**15 - 2 ** (bits - 1))
    file = bytearray(encode_image(Image.fromarray(written), "JPEG2000", no_jp2=True))
    assert file[42] == 15, "that is 16 bits"
    file[42] = bits - 1
    assert np.array_equal(decode_whole(bytes(file), channels=1, deep=True)[..., 0], values)


def test_what_can_only_be_read_in_8_bits_is_refused_where_16_are_needed() -> None:
    """Otherwise a range of 0..4095 would see pictures of 0..255, nearly black."""
    pixels = RNG.integers(0, 2**16, (32, 32, 3)).astype(np.uint16)
    _, encoded = cv2.imencode(".jp2", pixels)
    file = encoded.tobytes()
    with pytest.raises(InputError, match=r"images\.range: an image is a JPEG 2000 of colours"):
        decode_square(file, side=8, channels=3, deep=True)
    assert decode_square(file, side=8, channels=3, deep=False).shape == (3, 8, 8)


def test_8_bits_stay_values_up_to_255() -> None:
    pixels = RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    file = encode_image(Image.fromarray(pixels), "PNG")
    whole = decode_whole(file, channels=3, deep=True)
    assert whole.dtype == np.uint16
    assert np.array_equal(whole, pixels)
    assert read_all(file) is None
    gray = encode_image(Image.fromarray(pixels[..., 0]), "BMP")
    assert np.array_equal(decode_whole(gray, channels=1, deep=True)[..., 0], pixels[..., 0])
