"""The two executors of the table of views, Albumentations and the batched one, do the same.

With the same drawn parameters each operation gives the same picture: the batched executor's floats are within the
stated number of gray levels (of 255) of Albumentations' 8 bits. If each draws its own parameters, the statistics of
what they draw agree by the two-sample test of Kolmogorov and Smirnov; crops are also tested against torchvision.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from components.learning import views
from components.learning.params import View
from components.pretrain.feeds import albumentation
from tests.learning.checks import make_generator

SIDE = 32
ViewWith = Callable[..., View]


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    """Smooth coloured pictures, as photographs are: (N, S, S, C) uint8."""
    coarse = torch.rand(40, 3, 6, 6, generator=make_generator(3))
    smooth = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def to_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def measure_levels(ours: Tensor, theirs: np.ndarray) -> Tensor:
    """Return the absolute differences in gray levels."""
    return (ours - to_tensor(theirs)).abs() * 255


# Operations with nothing left to draw, since p is 1 and ranges are single values, each with the largest and the mean
# difference in gray levels that rounding explains.
DETERMINED: list[tuple[dict[str, Any], float, float]] = [
    ({"flip": 1.0}, 0.6, 0.3),
    ({"grayscale": 1.0}, 1.1, 0.5),
    ({"solarise": 1.0, "solarise_threshold": 0.5}, 0.6, 0.3),
    ({"blur": 1.0, "blur_sigma": [1.0, 1.0]}, 1.1, 0.5),
    ({"blur": 1.0, "blur_sigma": [0.3, 0.3]}, 1.1, 0.5),
]


@pytest.mark.parametrize(("changes", "largest", "mean"), DETERMINED, ids=str)
def test_an_operation_that_always_comes_gives_the_same_picture(
    changes: dict[str, Any], largest: float, mean: float, view_with: ViewWith, scenes: np.ndarray
) -> None:
    view = view_with(**changes)
    compose = albumentation.build_chain(view, side=SIDE, channels=3)
    theirs = np.stack([compose(image=image)["image"] for image in scenes])
    apart = measure_levels(views.make_view(to_tensor(scenes), view, make_generator(), SIDE), theirs)
    assert float(apart.max()) <= largest
    assert float(apart.mean()) <= mean


@pytest.mark.parametrize("amount", [0.6, 0.9, 1.3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_the_same_factor_gives_the_same_colours(
    name: str, amount: float, view_with: ViewWith, scenes: np.ndarray
) -> None:
    """Both executors get the factor that Albumentations would have drawn; its hue is in steps of two degrees."""
    amount = (amount - 1) / 4 if name == "hue" else amount
    view = view_with(jitter=1.0, **{name: 0.5})
    jitter = albumentation.build_colour_chain(view, 3)[0]
    neutral = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, "order": [0, 1, 2, 3]}
    theirs = np.stack([jitter.apply(image, **(neutral | {name: amount})) for image in scenes])
    drawn = views.draw_view(view, views.Shape(len(scenes), 3, SIDE, SIDE), make_generator())
    assert drawn.jitter is not None
    getattr(drawn.jitter, name).fill_(amount)
    apart = measure_levels(views.apply_view(to_tensor(scenes), view, drawn, SIDE), theirs)
    assert float(apart.max()) <= (11 if name == "hue" else 2.1)
    assert float(apart.mean()) <= (2 if name == "hue" else 1)


@pytest.mark.parametrize("corner", [(0, 0, 32, 32), (3, 5, 20, 16), (10, 0, 22, 30)])
def test_the_same_crop_gives_the_same_picture(
    corner: tuple[int, int, int, int], view_with: ViewWith, scenes: np.ndarray
) -> None:
    """The pictures differ by what OpenCV's bicubic kernel (a = -0.75, Pillow's is -0.5) makes of smooth pictures."""
    left, top, width, height = corner
    view = view_with(crop_area=[0.3, 1.0])
    crop = albumentation.build_shape_chain(view, SIDE)[0]
    theirs = np.stack([crop.apply(image, crop_coords=(left, top, left + width, top + height)) for image in scenes])
    drawn = views.draw_view(view, views.Shape(len(scenes), 3, SIDE, SIDE), make_generator())
    assert drawn.crop is not None
    for name, value in zip(("left", "top", "width", "height"), corner, strict=True):
        getattr(drawn.crop, name).fill_(value)
    apart = measure_levels(views.apply_view(to_tensor(scenes), view, drawn, SIDE), theirs)
    assert float(apart.mean()) <= 1
    assert float(apart.max()) <= 8


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "brightness": lambda x: x.mean((1, 2, 3)),
    "contrast": lambda x: x.mean(1).std((1, 2)),
    "colour": lambda x: x.std(1).mean((1, 2)),
    "texture": lambda x: (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)),
    "asymmetry": lambda x: x[..., : SIDE // 2].mean((1, 2, 3)) - x[..., SIDE // 2 :].mean((1, 2, 3)),
}
CIFAR = {"crop_area": [0.2, 1.0], "crop_ratio": [3 / 4, 4 / 3], "flip": 0.5, "jitter": 0.8, "brightness": 0.4}
CIFAR |= {"contrast": 0.4, "saturation": 0.2, "hue": 0.1, "grayscale": 0.2, "solarise": 0.2}
TABLES = {
    "photographs": CIFAR,
    "blurred": {"blur": 0.5, "blur_sigma": [0.5, 2.0], "jitter": 1.0, "brightness": 0.4},
    "turned": {"rotate": 20.0, "scale": 0.2, "shift": 0.1, "shear": 10.0, "contrast": 0.4, "jitter": 1.0},
}


@pytest.mark.parametrize("table", TABLES)
def test_both_draw_from_the_same_distributions(table: str, view_with: ViewWith, scenes: np.ndarray) -> None:
    """Each executor makes a thousand views of one picture, and their statistics are distributed alike."""
    view = view_with(**TABLES[table])
    compose = albumentation.build_chain(view, side=SIDE, channels=3)
    compose.set_random_seed(0)
    theirs = to_tensor(np.stack([compose(image=scenes[7])["image"] for _ in range(1000)]))
    ours = views.make_view(to_tensor(scenes[7:8]).expand(1000, -1, -1, -1), view, make_generator(), SIDE)
    for name, measure in STATISTICS.items():
        assert ks_2samp(measure(ours), measure(theirs)).pvalue > 1e-3, name


def test_noise_has_the_same_deviation(view_with: ViewWith, scenes: np.ndarray) -> None:
    """The pictures are gray, so that nothing is clipped; Albumentations rounds the noise to whole levels towards 0."""
    gray = np.full_like(scenes, 128)
    compose = albumentation.build_chain(view_with(noise=0.05), side=SIDE, channels=3)
    compose.set_random_seed(0)
    theirs = to_tensor(np.stack([compose(image=image)["image"] for image in gray])) - 128 / 255
    ours = views.make_view(to_tensor(gray), view_with(noise=0.05), make_generator(), SIDE) - 128 / 255
    assert float(theirs.std()) == pytest.approx(float(ours.std()), rel=0.04)
    assert float(theirs.mean() - ours.mean()) == pytest.approx(0, abs=0.6 / 255)


def test_one_channel_stays_one_channel(view_with: ViewWith, scenes: np.ndarray) -> None:
    view = view_with(**TABLES["turned"], saturation=0.4, hue=0.1, grayscale=1.0)
    compose = albumentation.build_chain(view, side=16, channels=1)
    assert compose(image=scenes[0][:, :, :1])["image"].shape == (16, 16, 1)


def test_the_seed_decides_what_albumentations_draws(view_with: ViewWith, scenes: np.ndarray) -> None:
    compose = albumentation.build_chain(view_with(**CIFAR), side=SIDE, channels=3)

    def draw_views(seed: int) -> np.ndarray:
        compose.set_random_seed(seed)
        return np.stack([compose(image=image)["image"] for image in scenes[:5]])

    first, reseeded, repeat = draw_views(1), draw_views(2), draw_views(1)
    assert np.array_equal(first, repeat)
    assert not np.array_equal(first, reseeded)
