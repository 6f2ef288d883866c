"""Perceptual hashes against a transform written out, and images encoded anew at a smaller size."""

import numpy as np
import pytest
from PIL import Image

from components.fetch.checks.inspect import Seen, inspect
from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from components.store.decode import decode_whole, open_image
from tests.fetch.fetched import photo
from tests.store.encoded import encode, png16

LIMITS = Limits(max_pixels=1_000_000, max_bytes=1_000_000)
SMALL = Reencode(max_side=32, jpeg_quality=90)


def see(encoded: bytes, reencode: Reencode | None = None) -> Seen:
    seen = inspect(Candidate("s", "a", encoded, None, None), LIMITS, reencode)
    assert isinstance(seen, Seen), seen
    return seen


def bits_between(one: Image.Image, other: Image.Image, format: str = "PNG") -> int:
    return (see(encode(one, "PNG")).look ^ see(encode(other, format)).look).bit_count()


@pytest.mark.parametrize("number", range(5))
def test_a_look_is_the_signs_of_the_lowest_frequencies_about_their_median(number: int) -> None:
    """The cosine transform (DCT-II) as a product of matrices, in float64."""
    image = photo(number, (70, 50))
    gray = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    cosines = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5))  # (frequency, place)
    lowest = cosines @ gray @ cosines.T  # (8, 8)
    expected = int("".join("01"[int(value > np.median(lowest))] for value in lowest.flat), 2)
    assert see(encode(image, "PNG")).look == expected


@pytest.mark.parametrize("number", range(5))
def test_a_scaled_packed_or_darker_copy_looks_nearly_the_same_and_another_image_does_not(number: int) -> None:
    image = photo(number, (96, 72))
    assert bits_between(image, image.resize((40, 30), Image.Resampling.LANCZOS)) <= 3
    assert bits_between(image, image, "JPEG") <= 3
    assert bits_between(image, image.point(lambda value: value * 0.8)) <= 3
    assert bits_between(image, photo(number + 100, (96, 72))) > 10


@pytest.mark.parametrize(
    ("image", "format", "stored", "mode"),
    [
        (photo(1, (80, 40)), "JPEG", "JPEG", "RGB"),
        (photo(1, (80, 40), "L"), "JPEG", "JPEG", "L"),
        (photo(1, (80, 40), "CMYK"), "JPEG", "JPEG", "RGB"),
        (photo(1, (80, 40)), "WEBP", "JPEG", "RGB"),
        (Image.merge("RGBA", [*photo(1, (80, 40)).split(), photo(2, (80, 40), "L")]), "WEBP", "PNG", "RGBA"),
        (photo(1, (80, 40)), "PNG", "PNG", "RGB"),
        (photo(1, (80, 40), "LA"), "PNG", "PNG", "RGBA"),
        (photo(1, (80, 40), "P"), "GIF", "PNG", "RGB"),
        (photo(1, (80, 40), "1"), "TIFF", "PNG", "L"),
    ],
)
def test_what_is_too_large_is_scaled_and_stays_lossless_or_transparent(
    image: Image.Image, format: str, stored: str, mode: str
) -> None:
    with open_image(see(encode(image, format), SMALL).encoded) as opened:
        assert (opened.format, opened.mode, opened.size) == (stored, mode, (32, 16))


def test_a_scaled_image_shows_what_the_large_one_shows() -> None:
    """A mean over each 2 x 2 pixels, to within what a better filter does otherwise; and the seen parts of it alone."""
    large = photo(3, (64, 48))
    found = decode_whole(see(encode(large, "PNG"), SMALL).encoded, channels=3).astype(float)
    expected = np.asarray(large).reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(found - expected).max() < 12
    half = np.zeros((48, 64, 4), np.uint8)
    half[:, 32:] = (200, 0, 0, 255)  # beside a black that nobody sees
    seen = decode_whole(see(encode(Image.fromarray(half), "PNG"), SMALL).encoded, channels=4)
    assert np.abs(seen[:, 17:, 0].astype(int) - 200).max() <= 4


def test_an_image_is_turned_upright_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    large = encode(photo(2, (80, 40)), "JPEG", exif=exif, quality=95)
    seen = see(large, SMALL)
    assert (seen.width, seen.height) == (40, 80)
    with open_image(seen.encoded) as opened:
        assert opened.size == (16, 32)
        assert opened.getexif().get(0x0112, 1) == 1
    assert (see(seen.encoded).look ^ see(large).look).bit_count() <= 3


def test_gray_of_16_bits_stays_gray() -> None:
    deep = np.linspace(0, 65535, 64 * 40).reshape(40, 64, 1).astype(np.uint16)
    with open_image(see(png16(deep), SMALL).encoded) as opened:
        assert (opened.format, opened.mode, opened.size) == ("PNG", "L", (32, 20))


@pytest.mark.parametrize("size", [(32, 32), (31, 8), (8, 32)])
def test_what_is_small_enough_keeps_its_bytes(size: tuple[int, int]) -> None:
    file = encode(photo(1, size), "JPEG")
    assert see(file, SMALL).encoded == file


def test_a_line_of_pixels_is_never_scaled_to_nothing() -> None:
    with open_image(see(encode(Image.new("L", (1000, 1)), "PNG"), SMALL).encoded) as opened:
        assert opened.size == (32, 1)


@pytest.mark.parametrize("reencode", [None, SMALL])
def test_size_and_digest_are_the_sources_even_when_it_is_scaled_down(reencode: Reencode | None) -> None:
    """Else copies would not be found again after a change of `max_side`, or among images of other modes."""
    images = [photo(1, (90, 60)), photo(1, (90, 60)).convert("RGBA")]
    found = [see(encode(image, "PNG"), reencode) for image in images]
    assert [(one.width, one.height) for one in found] == [(90, 60)] * 2
    assert {one.pixels for one in found} == {see(encode(images[0], "PNG")).pixels}
