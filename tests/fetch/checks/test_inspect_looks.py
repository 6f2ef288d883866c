"""Perceptual hashes against a transform written out, and images encoded anew at a smaller size."""

import numpy as np
import pytest
from PIL import Image

from components.fetch.checks.inspect import ImageFacts, inspect
from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from components.store.decode import decode_whole, open_image
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image, encode_png16

LIMITS = Limits(max_pixels=1_000_000, max_bytes=1_000_000)
SMALL = Reencode(max_side=32, jpeg_quality=90)


def see(encoded: bytes, reencode: Reencode | None = None) -> ImageFacts:
    facts = inspect(Candidate("s", "a", encoded, None, None), LIMITS, reencode)
    assert isinstance(facts, ImageFacts), facts
    return facts


def count_differing_bits(first: Image.Image, second: Image.Image, format: str = "PNG") -> int:
    return (see(encode_image(first, "PNG")).look ^ see(encode_image(second, format)).look).bit_count()


@pytest.mark.parametrize("number", range(5))
def test_a_look_is_the_signs_of_the_lowest_frequencies_about_their_median(number: int) -> None:
    """The reference is the cosine transform (DCT-II) as a product of matrices, in float64."""
    image = photo(number, (70, 50))
    gray = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=np.float64)
    cosines = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5))  # (frequency, place)
    lowest = cosines @ gray @ cosines.T  # (8, 8)
    expected = int("".join("01"[int(value > np.median(lowest))] for value in lowest.flat), 2)
    assert see(encode_image(image, "PNG")).look == expected


@pytest.mark.parametrize("number", range(5))
def test_a_scaled_packed_or_darker_copy_looks_nearly_the_same_and_another_image_does_not(number: int) -> None:
    image = photo(number, (96, 72))
    assert count_differing_bits(image, image.resize((40, 30), Image.Resampling.LANCZOS)) <= 3
    assert count_differing_bits(image, image, "JPEG") <= 3
    assert count_differing_bits(image, image.point(lambda value: value * 0.8)) <= 3
    assert count_differing_bits(image, photo(number + 100, (96, 72))) > 10


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
    with open_image(see(encode_image(image, format), SMALL).encoded) as opened:
        assert (opened.format, opened.mode, opened.size) == (stored, mode, (32, 16))


def test_a_scaled_image_shows_what_the_large_one_shows() -> None:
    """The reference is the mean of each 2 x 2 pixels, to which a better filter is near; hidden pixels are left out."""
    large = photo(3, (64, 48))
    scaled = decode_whole(see(encode_image(large, "PNG"), SMALL).encoded, channels=3, deep=False).astype(float)
    expected = np.asarray(large).reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(scaled - expected).max() < 12
    half = np.zeros((48, 64, 4), np.uint8)
    half[:, 32:] = (200, 0, 0, 255)  # beside transparent black
    scaled_half = decode_whole(see(encode_image(Image.fromarray(half), "PNG"), SMALL).encoded, channels=4, deep=False)
    assert np.abs(scaled_half[:, 17:, 0].astype(int) - 200).max() <= 4


def test_an_image_is_turned_upright_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    large = encode_image(photo(2, (80, 40)), "JPEG", exif=exif, quality=95)
    facts = see(large, SMALL)
    assert (facts.width, facts.height) == (40, 80)
    with open_image(facts.encoded) as opened:
        assert opened.size == (16, 32)
        assert opened.getexif().get(0x0112, 1) == 1
    assert (see(facts.encoded).look ^ see(large).look).bit_count() <= 3


def test_what_has_more_than_8_bits_is_not_encoded_anew_as_that_would_cut_them() -> None:
    deep = encode_png16(np.linspace(0, 65535, 64 * 40).reshape(40, 64, 1).astype(np.uint16))
    assert see(deep, SMALL).encoded == deep


@pytest.mark.parametrize("size", [(32, 32), (31, 8), (8, 32)])
def test_what_is_small_enough_keeps_its_bytes(size: tuple[int, int]) -> None:
    file = encode_image(photo(1, size), "JPEG")
    assert see(file, SMALL).encoded == file


def test_a_line_of_pixels_is_never_scaled_to_nothing() -> None:
    with open_image(see(encode_image(Image.new("L", (1000, 1)), "PNG"), SMALL).encoded) as opened:
        assert opened.size == (32, 1)


@pytest.mark.parametrize("reencode", [None, SMALL])
def test_size_and_digest_are_the_sources_even_when_it_is_scaled_down(reencode: Reencode | None) -> None:
    """Otherwise copies would not be found again after a change of `max_side`, or among images of other modes."""
    images = [photo(1, (90, 60)), photo(1, (90, 60)).convert("RGBA")]
    facts = [see(encode_image(image, "PNG"), reencode) for image in images]
    assert [(image_facts.width, image_facts.height) for image_facts in facts] == [(90, 60)] * 2
    assert {image_facts.pixels for image_facts in facts} == {see(encode_image(images[0], "PNG")).pixels}
