"""Settings that do not suit the images are pointed out before the training, which would go on without a word."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.encoder.params import Images
from components.pretrain.suits import warn_of_unsuitable
from components.store.store import TRAIN, Store
from tests.small import fill_store

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


def warn(store: Store, *, side: int = 64, mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    return "\n".join(
        warn_of_unsuitable(
            Images(side=side, read_side=side, range=None, colours=None, mean=mean, std=std), store, (TRAIN,)
        )
    )


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
