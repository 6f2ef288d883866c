"""Settings that do not suit the images are pointed out before the training, which would go on without a word."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from components.encoder.params import Images
from components.pretrain.suits import warn_of_colourless, warn_of_unsuitable
from components.stage.errors import InputError
from components.store.store import TRAIN, Store
from tests.small import encode_bands, fill_store, make_settings
from tests.store.encoded import encode_png16

GRAY = {"mean": (0.305,), "std": (0.376,)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
DIGITS_THRICE = {"mean": (0.305,) * 3, "std": (0.376,) * 3}


def paint(count: int, side: int, *, channels: int, mean: float = 0.47, std: float = 0.25) -> list[np.ndarray]:
    """Make images of random pixels."""
    generator = np.random.default_rng(0)
    pixels = generator.normal(255 * mean, 255 * std, (count, side, side, channels)).clip(0, 255)
    return list(pixels.astype(np.uint8) if channels == 3 else pixels[..., 0].astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill_store(tmp_path_factory.mktemp("photos"), paint(12, 100, channels=3))


@pytest.fixture(scope="module")
def grays(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill_store(tmp_path_factory.mktemp("grays"), paint(12, 100, channels=1))


def warn(
    store: Store,
    *,
    side: int = 64,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    range: Any = None,
    colours: Any = None,
) -> str:
    images = Images(side=side, read_side=side, range=range, colours=colours, mean=mean, std=std)
    return "\n".join(warn_of_unsuitable(images, store, (TRAIN,)))


def test_what_suits_needs_no_word(photos: Store, grays: Store) -> None:
    assert warn(photos, **IMAGENET) == ""
    assert warn(photos, **IMAGENET, side=32) == "", "as the preset for a CPU has it"
    assert warn(grays, mean=(0.5,), std=(0.25,)) == ""
    assert warn(photos, mean=(*IMAGENET["mean"], 0.5), std=(*IMAGENET["std"], 0.5)) == "", "alpha besides"


def test_colours_that_are_lost_are_named_with_what_they_need(photos: Store) -> None:
    lines = warn(photos, **GRAY).splitlines()
    assert lines[0].startswith(
        "params.yaml: pretrain.images.mean: for gray images, but 12 of 12 images looked at have colours, now lost; "
        "these need three numbers: [0.4"
    )
    assert lines[-1].startswith("`python -m presets photos --from metrics/data.json`")
    assert len(lines) == 2, "statistics of other channels tell nothing"


def test_a_coloured_image_among_many_gray_ones_may_be_trained_on_in_gray(tmp_path: Path) -> None:
    mixed = fill_store(tmp_path, [*paint(1, 16, channels=3), *paint(19, 16, channels=1)])
    assert warn(mixed, mean=(0.5,), std=(0.25,), side=16) == ""


def test_gray_images_in_three_channels_are_named(grays: Store) -> None:
    assert "mean: for colour images, but all 12 images looked at are gray; gray needs one number: [0.4" in warn(
        grays, **IMAGENET
    )


def test_the_digits_statistics_on_photographs_are_named_beside_their_own(photos: Store) -> None:
    assert "mean, std: [0.305, 0.305, 0.305] and [0.376, 0.376, 0.376], but the images' own are about [0.4" in warn(
        photos, **DIGITS_THRICE
    )


@pytest.mark.parametrize("side", [8, 16, 24])
def test_the_digits_side_on_photographs_is_named(side: int, photos: Store) -> None:
    said = warn(photos, **IMAGENET, side=side)
    assert f"side: {side} pixels, but the images' shorter side is 100 in the middle: little is left of them" in said


def test_a_side_for_which_images_are_enlarged_is_named(photos: Store) -> None:
    assert warn(photos, **IMAGENET, side=128) == "", "a little does no harm"
    assert "side: 160 pixels, but the images' shorter side is 100 in the middle: they are enlarged" in warn(
        photos, **IMAGENET, side=160
    )


def test_looking_touches_no_random_stream(photos: Store) -> None:
    """The encoder is the same, bit for bit, with and without the lines."""
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]
    warn(photos, **GRAY)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # type: ignore[index]


def fill_deep(folder: Path, channels: int, white: int, encode: Callable[[np.ndarray], bytes] = encode_bands) -> Store:
    """Fill a store with images whose values spread evenly up to `white`."""
    drawn = np.random.default_rng(0).integers(0, white, (12, 32, 32, channels), endpoint=True, dtype=np.uint16)
    drawn[:, 0, 0] = white
    return fill_store(folder, list(drawn), encode=encode)


EVEN = {"mean": (0.5,) * 13, "std": (0.289,) * 13, "side": 32, "colours": (3, 2, 1)}


@pytest.mark.parametrize(
    ("white", "range", "said"),
    [
        (4095, (0, 4095), ""),
        (3900, (0, 4095), ""),
        (
            3900,
            None,
            "range: empty, so that of 16 bits the upper 8 alone are seen, but 12 of 12 images looked at have more than "
            "8, with values up to 3900, which are then nearly black; [0, 4095] keeps them all",
        ),
        (60000, None, "with values up to 60000; [0, 65535] keeps them all"),
        (
            3900,
            (0, 65535),
            "range: [0, 65535], but the highest value of 12 images looked at is 3900: they are nearly black; [0, 4095]",
        ),
        (
            9700,
            (0, 4095),
            "range: [0, 4095], but 58% of the values of 12 images looked at are above it, and become white; the "
            "highest is 9700: [0, 16383]",
        ),
    ],
)
def test_a_range_that_hides_the_values_is_named_with_what_would_be_right(
    white: int, range: Any, said: str, tmp_path: Path
) -> None:
    found = warn(fill_deep(tmp_path, 13, white), range=range, **EVEN)
    assert said in found
    assert len(found.splitlines()) == (2 if said else 0)


def test_a_range_of_12_bits_for_images_of_8_is_named(photos: Store) -> None:
    assert "255: they are nearly black; these have 8 bits: leave it empty" in warn(photos, **IMAGENET, range=(0, 4095))


def test_gray_of_16_bits_is_looked_at_in_its_range(tmp_path: Path) -> None:
    store = fill_deep(tmp_path, 1, 4095, encode_png16)
    assert warn(store, range=(0, 4095), mean=(0.5,), std=(0.289,), side=32) == ""
    assert "gray needs one number: [0.50" in warn(store, range=(0, 4095), mean=(0.5,) * 3, std=(0.289,) * 3, side=32)


@pytest.mark.parametrize("channels", [3, 12])
def test_other_channels_than_the_images_end_with_one_line(channels: int, tmp_path: Path) -> None:
    store = fill_deep(tmp_path, 13, 4095)
    with pytest.raises(InputError, match=rf"pretrain.images.mean: {channels} numbers, but an image has 13") as error:
        warn(store, range=(0, 4095), mean=(0.5,) * channels, std=(0.289,) * channels)
    assert "\n" not in str(error.value)


def test_a_measured_channel_that_would_count_as_alpha_is_named(tmp_path: Path) -> None:
    store, numbers = fill_deep(tmp_path, 4, 4095), {"mean": (0.5,) * 4, "std": (0.289,) * 4, "side": 32}
    found = warn(store, range=(0, 4095), **numbers)
    assert "colours: empty, so that the last of 4 channels counts as alpha, which 12 of 12 images" in found
    assert warn(store, range=(0, 4095), **numbers, colours=()) == ""


def test_colours_that_no_channel_has_are_named() -> None:
    settings = {"images__mean": (0.5,) * 13, "images__std": (0.25,) * 13, "views__first__jitter": 0.8}
    without, named = (make_settings(**settings, images__colours=colours) for colours in (None, (3, 2, 1)))
    (line,) = warn_of_colourless(without.views, without.images)
    assert line.startswith(
        "params.yaml: pretrain.views: jitter: without effect, since of 13 channels none has a colour"
    )
    assert warn_of_colourless(named.views, named.images) == []


def test_channels_that_a_viewer_hides_are_not_lost_without_a_word(tmp_path: Path) -> None:
    """Of four bands in pages of 8 bits a viewer shows the first; a training with named colours means all of them."""
    numbers = {"mean": (0.5,) * 4, "std": (0.29,) * 4}
    store = fill_deep(tmp_path, 4, 255, lambda pixels: encode_pages(pixels.astype(np.uint8)))
    said = warn(store, **numbers, colours=(0, 1, 2))
    assert "pretrain.images.range: empty" in said
    assert "are then lost; [0, 255] keeps them all" in said
    assert "lost" not in warn(store, **numbers, colours=(0, 1, 2), range=(0, 255))


def encode_pages(pixels: np.ndarray) -> bytes:
    """Encode (H, W, N) as tifffile writes an array of N x H x W."""
    file = BytesIO()
    tifffile.imwrite(file, np.ascontiguousarray(pixels.transpose(2, 0, 1)), photometric="minisblack")
    return file.getvalue()
