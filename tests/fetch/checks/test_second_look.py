"""Planted near copies stand the second look, and pictures that only look alike do not."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance
from sklearn.datasets import load_digits

from components.fetch.checks.second_look import count_places, find_edges, look_again
from tests.fetch.fetched import photo


def shrink(image: Image.Image) -> np.ndarray:
    gray = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    return np.asarray(gray.reduce(2))


def look(one: Image.Image, other: Image.Image) -> bool:
    area = min(image.width * image.height for image in (one, other))
    return bool(look_again(shrink(one)[None], shrink(other)[None], np.array([min(area / 256, 1)]))[0])


def pack(image: Image.Image, quality: int) -> Image.Image:
    packed = BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return Image.open(packed)


def draw_line(*, end: int) -> Image.Image:
    image = Image.new("L", (28, 28))
    ImageDraw.Draw(image).line((13, 3, end, 24), fill=255, width=3)
    return image


@pytest.mark.parametrize("number", range(3))
def test_a_copy_that_was_packed_scaled_brightened_cropped_or_framed_is_near(number: int) -> None:
    image = photo(number, (160, 120))
    framed = Image.new("RGB", (164, 124))
    framed.paste(image, (2, 2))
    copies = [pack(image, 30), image.resize((80, 60)), image.resize((320, 240)), image.convert("L"), framed]
    copies += [ImageEnhance.Brightness(image).enhance(1.15), image.crop((2, 1, 158, 119))]
    assert all(look(image, copy) for copy in copies)
    assert not any(look(image, photo(number + other, (160, 120))) for other in range(1, 30))


def test_a_simple_drawing_needs_a_closer_likeness_than_a_photograph() -> None:
    line = draw_line(end=13)
    assert look(line, pack(line, 60)), "however simple it is"
    assert not look(line, draw_line(end=15))


def test_no_two_handwritten_digits_are_near() -> None:
    images = load_digits().images[:300] * 255 / 16
    thumbnails = np.stack([shrink(Image.fromarray(image.astype(np.uint8))) for image in images])
    left, right = np.triu_indices(len(images), 1)
    near = [
        look_again(thumbnails[left[rows]], thumbnails[right[rows]], np.full(len(rows), 64 / 256))
        for rows in np.array_split(np.arange(len(left)), 20)
    ]
    assert not np.concatenate(near).any()


def test_no_edges_are_like_no_others() -> None:
    """Blank pages that differ in a shade are no near copies, and no warning is raised for them."""
    blank = np.full((1, 16, 16), 200, np.uint8)
    assert not look_again(blank, blank - 3, np.ones(1)).any()
    assert look_again(blank[:0], blank[:0], np.ones(0)).shape == (0,)


def test_edges_are_differences_and_places_their_participation_ratio_by_hand() -> None:
    """A step of 10 down the middle has 16 edges across and none down."""
    step = np.zeros((1, 16, 16), np.uint8)
    step[:, :, 8:] = 10
    edges = find_edges(step)
    assert edges.shape == (1, 480)
    assert (np.count_nonzero(edges), edges.max()) == (16, 10)
    assert count_places(edges, edges) == pytest.approx(16)
    assert count_places(edges, find_edges(step.transpose(0, 2, 1))) == pytest.approx(32)
