"""Samples become the channels asked for in full depth, and bands are never mixed."""

import numpy as np
import pytest

from components.stage.errors import InputError
from components.store.samples import Samples, convert, cut_bits, draw, fit_square

RNG = np.random.default_rng(3)


def make_samples(values: np.ndarray, *, bits: int = 16, bands: bool = False) -> Samples:
    return Samples(values.astype(np.uint8 if bits == 8 else np.uint16), "TIFF", bits, bands)


def test_gray_becomes_colours_by_repetition_and_colours_gray_by_their_weights() -> None:
    """Nothing of the 16 bits may be lost: neighbouring grays would become one."""
    gray = RNG.integers(0, 2**16, (5, 7, 1))
    assert np.array_equal(convert(make_samples(gray), 3), np.repeat(gray, 3, axis=2))
    colours = RNG.integers(0, 2**16, (5, 7, 3))
    expected = np.rint(colours @ np.array([0.299, 0.587, 0.114]))  # in float64
    assert np.abs(convert(make_samples(colours), 1)[..., 0] - expected).max() <= 1


def test_what_is_transparent_is_laid_over_the_white_of_its_bits() -> None:
    pixels = np.array([[[1000, 2000, 3000, 0], [1000, 2000, 3000, 65535], [0, 0, 0, 13107]]])
    assert convert(make_samples(pixels), 3).tolist() == [[[65535] * 3, [1000, 2000, 3000], [52428] * 3]]
    assert convert(make_samples(np.array([[[10, 0]]]), bits=8), 1).tolist() == [[[255]]]
    assert convert(make_samples(np.array([[[10, 0]]]), bits=12), 1).tolist() == [[[4095]]]


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_that_is_asked_for_is_kept_or_opaque(channels: int) -> None:
    assert convert(make_samples(np.array([[[7, 9]]])), channels)[0, 0].tolist() == [7] * (channels - 1) + [9]
    assert convert(make_samples(np.array([[[7]]])), channels)[0, 0].tolist() == [7] * (channels - 1) + [65535]


@pytest.mark.parametrize(("own", "wanted", "bands"), [(13, 3, True), (4, 3, True), (13, 12, True), (3, 13, False)])
def test_other_channels_are_refused_in_words_that_say_how_many_there_are(own: int, wanted: int, bands: bool) -> None:
    samples = make_samples(np.zeros((2, 2, own)), bands=bands)
    with pytest.raises(InputError, match=f"pretrain.images.mean: {wanted} numbers, but an image has {own} channels"):
        convert(samples, wanted)
    assert convert(samples, own) is samples.values


def test_a_square_of_16_bits_is_scaled_as_one_of_8_and_no_value_is_cut() -> None:
    """Bicubic overshoots at edges: 0 must not become 65535."""
    eight = RNG.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    small, deep = fit_square(eight, 16), fit_square(eight.astype(np.uint16) * 257, 16)
    assert np.abs(small - deep / 257).max() <= 1.5  # each of two passes rounds 8 bits
    edges = np.repeat(np.repeat(np.where(np.indices((8, 8)).sum(axis=0) % 2, 65535, 0), 4, 0), 4, 1)[..., None]
    square = fit_square(edges.astype(np.uint16), 45)
    assert (square.min(), square.max()) == (0, 65535)
    assert (np.abs(np.diff(square.astype(int), axis=2)) < 65535).all(), "steps have become slopes"
    assert np.array_equal(fit_square(edges.astype(np.uint16), 32)[0], edges[..., 0]), "the size fits already"


def test_of_more_bits_the_upper_8_are_kept() -> None:
    assert cut_bits(make_samples(np.array([[[0x1234]]]))).values.tolist() == [[[0x12]]]
    assert cut_bits(make_samples(np.array([[[0x123]]]), bits=12)).values.tolist() == [[[0x12]]]


def test_a_picture_for_a_person_shows_the_named_channels_from_low_to_high() -> None:
    bands = make_samples(np.arange(13) * 100 + np.zeros((2, 3, 13)), bands=True)
    shown = np.asarray(draw(bands, low=100, high=1100, channels=(11, 6, 0)))
    assert shown.shape == (2, 3, 3)
    assert shown[0, 0].tolist() == [255, 128, 0]
    assert np.asarray(draw(bands, low=0, high=1200, channels=(6,)))[0, 0].tolist() == [128] * 3
    assert np.asarray(draw(bands, low=0, high=1200, channels=None))[0, 0].tolist() == [128] * 3, "their mean"
    gray = make_samples(np.full((2, 2, 1), 4095))
    assert np.asarray(draw(gray, low=0, high=4095, channels=None)).tolist() == [[[255] * 3] * 2] * 2
