"""Tests crops, flips and affine maps against torchvision and array slicing, and the distributions they are drawn from.

Tolerances: two matrix products against torchvision's loops 2e-5; an affine map, whose coordinates are rounded to about
1e-6 pixels, 1e-4.
"""

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from components.learning import geometry
from components.learning.params import View
from tests.learning.checks import MANY, SIDE, assert_frequency, assert_uniform, draw_photos, make_uniforms

FORMULA = {"rtol": 0, "atol": 2e-5}
WARPED = {"rtol": 0, "atol": 1e-4}
ViewWith = Callable[..., View]


def make_affine(*values: list[float]) -> Tensor:
    """Make one affine map from its rows."""
    return torch.tensor([values]).float()


def make_crop(left: int, top: int, width: int, height: int, *, mirrored: bool = False, batch: int = 1) -> geometry.Crop:
    """Make the same crop for every image of a batch."""
    sides = [torch.full((batch,), float(value)) for value in (left, top, width, height)]
    return geometry.Crop(*sides, torch.full((batch,), mirrored))


WHOLE = (0, 0, SIDE, SIDE)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_whole_image_at_its_own_size_keeps_its_bits_but_for_the_flip(mirrored: bool) -> None:
    images = draw_photos(3)
    actual = geometry.resize(images, make_crop(*WHOLE, mirrored=mirrored, batch=3), SIDE)
    assert torch.equal(actual, tv.horizontal_flip(images) if mirrored else images)


@pytest.mark.parametrize(("left", "top", "width", "height"), [(4, 4, 8, 8), (6, 2, 9, 12), (1, 7, 14, 8), WHOLE])
@pytest.mark.parametrize("side", [5, 8, SIDE, 23])
def test_a_crop_is_resized_as_torchvision_and_pillow_do_it(
    left: int, top: int, width: int, height: int, side: int
) -> None:
    """This includes the crop's rim, and antialiasing if it shrinks: crop and view may have any sizes."""
    images = draw_photos(2)
    actual = geometry.resize(images, make_crop(left, top, width, height, batch=2), side)
    bicubic = InterpolationMode.BICUBIC
    expected = tv.resized_crop(images, top, left, height, width, [side, side], bicubic, antialias=True).clamp(0, 1)
    torch.testing.assert_close(actual, expected, **FORMULA)


def test_each_image_has_a_crop_of_its_own() -> None:
    images = draw_photos(2)
    first, second = make_crop(0, 0, 8, 8), make_crop(3, 5, 9, 7, mirrored=True)
    crops = geometry.Crop(*(torch.cat([getattr(first, name), getattr(second, name)]) for name in vars(first)))
    actual = geometry.resize(images, crops, SIDE)
    torch.testing.assert_close(actual[:1], geometry.resize(images[:1], first, SIDE), **FORMULA)
    torch.testing.assert_close(actual[1:], geometry.resize(images[1:], second, SIDE), **FORMULA)


def test_a_map_that_changes_nothing_leaves_the_image_as_it_is() -> None:
    images = draw_photos(3)
    still = make_affine([1, 0, 0], [0, 1, 0]).expand(3, 2, 3)
    torch.testing.assert_close(geometry.warp(images, still, SIDE), images, **WARPED)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_right_angle_moves_every_pixel_of_a_square_to_a_pixel(turns: int) -> None:
    images = draw_photos(2)
    cos, sin = math.cos(turns * math.pi / 2), math.sin(turns * math.pi / 2)
    turned = geometry.warp(images, make_affine([cos, -sin, 0], [sin, cos, 0]).expand(2, 2, 3), SIDE)
    torch.testing.assert_close(turned, tv.rotate(images, 90.0 * turns), **WARPED)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 2), (-4, 5), (SIDE, 0)])
def test_whole_pixels_are_shifted_over_black(right: int, down: int) -> None:
    images = draw_photos(2)
    expected = torch.zeros_like(images)
    for y in range(SIDE):
        for x in range(SIDE):
            if 0 <= y - down < SIDE and 0 <= x - right < SIDE:
                expected[:, :, y, x] = images[:, :, y - down, x - right]
    shifted = make_affine([1, 0, -2 * right / SIDE], [0, 1, -2 * down / SIDE]).expand(2, 2, 3)
    torch.testing.assert_close(geometry.warp(images, shifted, SIDE), expected, **WARPED)


def test_a_warped_view_shows_the_crop_that_was_drawn(view_with: ViewWith) -> None:
    """Pixels near the crop's rim are left out: there torchvision repeats the last pixel, and our image goes on."""
    images = draw_photos(2)
    drawn = make_crop(2, 3, 12, 10, mirrored=True, batch=2)
    view = view_with(rotate=1e-6)
    actual = geometry.warp(images, geometry.draw_affine(view, drawn, SIDE, make_uniforms(2)), SIDE)
    bicubic = InterpolationMode.BICUBIC
    expected = tv.horizontal_flip(tv.resized_crop(images, 3, 2, 10, 12, [SIDE, SIDE], bicubic, antialias=False))
    inside = (..., slice(5, -5), slice(5, -5))  # a bicubic patch reaches so far
    torch.testing.assert_close(actual[inside], expected.clamp(0, 1)[inside], **WARPED)


def decompose_affine(affine: Tensor) -> dict[str, Tensor]:
    """Decompose maps (B, 2, 3) without a crop: A = zoom * rotation @ shear @ mirror."""
    linear = affine[:, :, :2].double()
    mirror = torch.linalg.det(linear).sign()
    first, second = linear[:, :, 0] * mirror[:, None], linear[:, :, 1]  # zoom (cos, sin) and the sheared other axis
    zoom = first.norm(dim=1)
    return {
        "mirror": mirror,
        "zoom": zoom,
        "angle": torch.rad2deg(torch.atan2(first[:, 1], first[:, 0])),
        "shear": torch.rad2deg(((first * second).sum(1) / zoom**2).atan()),
        "across": (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / zoom**2,  # 1: a shear keeps areas
        "shift_x": affine[:, 0, 2] / 2,  # the side is 2 long
        "shift_y": affine[:, 1, 2] / 2,
    }


def test_rotation_scale_shift_shear_and_flip_are_drawn_as_params_say_even_all_at_once(view_with: ViewWith) -> None:
    view = view_with(flip=0.3, rotate=20.0, scale=0.2, shift=0.125, shear=40.0)
    uniforms = make_uniforms(MANY)
    whole = geometry.draw_crop(view, MANY, SIDE, uniforms)
    drawn = decompose_affine(geometry.draw_affine(view, whole, SIDE, uniforms))
    assert_frequency(drawn["mirror"] < 0, 0.3)
    assert_uniform(drawn["angle"], -20, 20)
    assert_uniform(1 / drawn["zoom"], 0.8, 1.2)
    assert_uniform(drawn["shear"], -40, 40)
    assert_uniform(drawn["shift_x"], -0.125, 0.125)
    assert_uniform(drawn["shift_y"], -0.125, 0.125)
    torch.testing.assert_close(drawn["across"], torch.ones(MANY, dtype=torch.float64), rtol=0, atol=1e-5)
    together = torch.stack(
        [drawn[name].double() for name in ("mirror", "angle", "zoom", "shear", "shift_x", "shift_y")]
    )
    correlations = torch.corrcoef(together) - torch.eye(6)
    assert float(correlations.abs().max()) < 0.06, "each number is drawn on its own"


def test_scale_above_one_enlarges_the_image(view_with: ViewWith) -> None:
    """The light of a smooth spot in the middle grows by the square of the size, to a few percent."""
    offsets = torch.arange(32) - 15.5
    spot = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / 24)  # (S, S)
    drawn = geometry.draw_affine(view_with(scale=0.3), make_crop(0, 0, 32, 32, batch=400), 32, make_uniforms(400))
    light = geometry.warp(spot.expand(400, 1, 32, 32), drawn, 32).sum((1, 2, 3)) / spot.sum()
    size = 1 / drawn[:, 0, 0]
    assert float(light.max()) > 1.2**2
    assert float(light.min()) < 0.8**2
    torch.testing.assert_close(light, size**2, rtol=0.05, atol=0)


@pytest.mark.parametrize(("area", "ratio"), [([0.08, 1.0], [3 / 4, 4 / 3]), ([0.1, 0.5], [0.5, 1.0])])
def test_crops_are_distributed_as_torchvisions(area: list[float], ratio: list[float], view_with: ViewWith) -> None:
    """Left, top, width and height are compared by the two-sample test of Kolmogorov and Smirnov."""
    side = 64
    torch.manual_seed(0)
    image = torch.zeros(1, side, side)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, area, ratio) for _ in range(MANY // 2)]
    )  # top, left, h, w
    drawn = geometry.draw_crop(view_with(crop_area=area, crop_ratio=ratio), MANY // 2, side, make_uniforms(MANY // 2))
    ours = torch.stack([drawn.top, drawn.left, drawn.height, drawn.width], 1)
    for column, name in enumerate(("top", "left", "height", "width")):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3, name
    assert bool((drawn.left + drawn.width <= side).all() and (drawn.top + drawn.height <= side).all())
    assert bool((ours == ours.round()).all())


def test_a_flip_is_drawn_as_often_as_params_say(view_with: ViewWith) -> None:
    assert_frequency(geometry.draw_crop(view_with(flip=0.3), MANY, SIDE, make_uniforms(MANY)).mirrored, 0.3)


@pytest.mark.parametrize("ratio", [[4.0, 4.0], [0.25, 0.25], [1.5, 2.0]])
def test_a_crop_that_never_fits_is_torchvisions_in_the_middle(ratio: list[float], view_with: ViewWith) -> None:
    top, left, height, width = RandomResizedCrop.get_params(torch.zeros(1, SIDE, SIDE), [1.0, 1.0], ratio)
    drawn = geometry.draw_crop(view_with(crop_area=[1.0, 1.0], crop_ratio=ratio), 50, SIDE, make_uniforms(50))
    expected = {"left": left, "top": top, "width": width, "height": height}
    for name, value in expected.items():
        assert float((getattr(drawn, name) - value).abs().max()) <= 1, name  # where a half is rounded to is its own
