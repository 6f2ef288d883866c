"""Views against torchvision and array slicing, and the numbers they are drawn from.

Tolerances: a formula in float32 against the same formula in another order of operations 2e-6; hue, whose HSV circle
divides by small spans, 2e-5; resampling, whose coordinates are rounded to about 1e-6 pixels, 1e-4.
"""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from components.byol import colour, geometry, views
from components.params.pretrain import View, Views

FORMULA = {"rtol": 0, "atol": 2e-6}
HUE = {"rtol": 0, "atol": 2e-5}
RESAMPLED = {"rtol": 0, "atol": 1e-4}
SIDE = 16
MANY = 8000
ViewWith = Callable[..., View]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(batch: int, channels: int = 3, side: int = SIDE) -> Tensor:
    """Uniform noise: every pixel another one, so that no mistake hides; some are gray, black and white."""
    images = torch.rand(batch, channels, side, side, generator=generator(9))
    images[:, :, 0, 0], images[:, :, 0, 1], images[:, :, 0, 2] = 0, 1, 0.5
    return images


def rows(*values: list[float]) -> Tensor:
    """One affine map."""
    return torch.tensor([values])


# ---------------------------------------------------------------- geometry


def test_the_whole_image_at_its_own_size_stays_as_it_is() -> None:
    images = photos(3)
    whole = rows([1, 0, 0], [0, 1, 0]).float().expand(3, 2, 3)
    resized = tv.resized_crop(images, 0, 0, SIDE, SIDE, [SIDE, SIDE], InterpolationMode.BICUBIC, antialias=False)
    torch.testing.assert_close(geometry.resample(images, whole, black_outside=True), images, **RESAMPLED)
    torch.testing.assert_close(geometry.resample(images, whole, black_outside=True), resized, **RESAMPLED)


def test_a_flip_is_left_for_right_and_no_other_pixel_moves(view_with: ViewWith) -> None:
    images = photos(4)
    view = view_with(flip=1.0)
    torch.testing.assert_close(views.make_view(images, view, generator()), tv.horizontal_flip(images), **RESAMPLED)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_right_angle_moves_every_pixel_of_a_square_to_a_pixel(turns: int) -> None:
    images = photos(2)
    cos, sin = math.cos(turns * math.pi / 2), math.sin(turns * math.pi / 2)
    turned = geometry.resample(images, rows([cos, -sin, 0], [sin, cos, 0]).expand(2, 2, 3), black_outside=True)
    torch.testing.assert_close(turned, tv.rotate(images, 90.0 * turns), **RESAMPLED)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 2), (-4, 5), (SIDE, 0)])
def test_whole_pixels_are_shifted_over_black(right: int, down: int) -> None:
    images = photos(2)
    expected = torch.zeros_like(images)
    for y in range(SIDE):
        for x in range(SIDE):
            if 0 <= y - down < SIDE and 0 <= x - right < SIDE:
                expected[:, :, y, x] = images[:, :, y - down, x - right]
    affine = rows([1, 0, -2 * right / SIDE], [0, 1, -2 * down / SIDE]).expand(2, 2, 3)
    torch.testing.assert_close(geometry.resample(images, affine, black_outside=True), expected, **RESAMPLED)


@pytest.mark.parametrize(("top", "left", "height", "width"), [(4, 4, 8, 8), (2, 6, 12, 9), (7, 1, 8, 14)])
def test_a_crop_is_enlarged_as_torchvision_enlarges_it(top: int, left: int, height: int, width: int) -> None:
    """Away from the crop's rim: beyond it torchvision repeats the last pixel where we see the image go on."""
    images = photos(2)
    centre_x, centre_y = (2 * left + width) / SIDE - 1, (2 * top + height) / SIDE - 1
    affine = rows([width / SIDE, 0, centre_x], [0, height / SIDE, centre_y]).expand(2, 2, 3)
    size = [SIDE, SIDE]
    resized = tv.resized_crop(images, top, left, height, width, size, InterpolationMode.BICUBIC, antialias=False)
    rim_y, rim_x = math.ceil(2.5 * SIDE / height), math.ceil(2.5 * SIDE / width)  # a bicubic patch reaches so far
    found, expected = geometry.resample(images, affine, black_outside=True), resized.clamp(0, 1)
    inside = (..., slice(rim_y, -rim_y), slice(rim_x, -rim_x))
    assert expected[inside].numel() > 100
    torch.testing.assert_close(found[inside], expected[inside], **RESAMPLED)


def uniform(values: Tensor, low: float, high: float) -> None:
    """Bounds, mean and variance of a uniform distribution; five standard errors of 8000 draws."""
    assert low - 1e-5 <= float(values.min())
    assert float(values.max()) <= high + 1e-5
    assert float(values.mean()) == pytest.approx((low + high) / 2, abs=5 * (high - low) / math.sqrt(12 * MANY))
    assert float(values.var()) == pytest.approx((high - low) ** 2 / 12, rel=0.06)


def frequency(values: Tensor, probability: float) -> None:
    """Five standard errors of a share."""
    error = 5 * math.sqrt(probability * (1 - probability) / len(values))
    assert float(values.float().mean()) == pytest.approx(probability, abs=error)


def decomposed(affine: Tensor) -> dict[str, Tensor]:
    """Angle, zoom, shear and mirror of (B, 2, 3) without a crop: A = zoom * rotation @ shear @ mirror."""
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
    drawn = decomposed(geometry.draw_affine(view, MANY, generator()))
    frequency(drawn["mirror"] < 0, 0.3)
    uniform(drawn["angle"], -20, 20)
    uniform(1 / drawn["zoom"], 0.8, 1.2)
    uniform(drawn["shear"], -40, 40)
    uniform(drawn["shift_x"], -0.125, 0.125)
    uniform(drawn["shift_y"], -0.125, 0.125)
    torch.testing.assert_close(drawn["across"], torch.ones(MANY, dtype=torch.float64), rtol=0, atol=1e-5)
    together = torch.stack(
        [drawn[name].double() for name in ("mirror", "angle", "zoom", "shear", "shift_x", "shift_y")]
    )
    between = torch.corrcoef(together) - torch.eye(6)
    assert float(between.abs().max()) < 0.06, "each number is drawn on its own"


def test_scale_above_one_enlarges_the_image(view_with: ViewWith) -> None:
    """A smooth spot in the middle: its light grows by the square of the size, to the few percent that bicubic keeps."""
    offsets = torch.arange(32) - 15.5
    spot = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / 24)  # (S, S)
    affine = geometry.draw_affine(view_with(scale=0.3), 400, generator())
    light = geometry.resample(spot.expand(400, 1, 32, 32), affine, black_outside=True).sum((1, 2, 3)) / spot.sum()
    size = 1 / affine[:, 0, 0]
    assert float(light.max()) > 1.2**2
    assert float(light.min()) < 0.8**2
    torch.testing.assert_close(light, size**2, rtol=0.05, atol=0)


def test_a_crop_keeps_the_area_and_ratio_that_were_drawn_and_stays_inside(view_with: ViewWith) -> None:
    view = view_with(crop_area=[0.1, 0.5], crop_ratio=[3 / 4, 4 / 3])
    affine = geometry.draw_affine(view, MANY, generator())
    width, height = affine[:, 0, 0], affine[:, 1, 1]
    assert float(affine[:, [0, 1], [1, 0]].abs().max()) == 0
    uniform(width * height, 0.1, 0.5)
    uniform((width / height).log(), math.log(3 / 4), math.log(4 / 3))
    for size, centre in ((width, affine[:, 0, 2]), (height, affine[:, 1, 2])):
        assert float((centre.abs() + size).max()) <= 1 + 1e-5
        uniform(centre / (1 - size), -1, 1)  # anywhere that it fits


def test_a_crop_too_long_for_the_image_is_narrowed_to_it(view_with: ViewWith) -> None:
    """Area 1 at ratio 4: twice as wide as the image, half as high; the width is cut to 1."""
    affine = geometry.draw_affine(view_with(crop_area=[1.0, 1.0], crop_ratio=[4.0, 4.0]), 50, generator())
    torch.testing.assert_close(affine[:, 0, 0], torch.ones(50))
    torch.testing.assert_close(affine[:, 1, 1], torch.full((50,), 0.5))
    assert float(affine[:, 0, 2].abs().max()) == 0
    assert float(affine[:, 1, 2].abs().max()) <= 0.5


# ---------------------------------------------------------------- colour


def jitter(batch: int, **changes: Any) -> colour.Jitter:
    """Factors that change nothing, in the order of params.yaml, for every image, but for `changes`."""
    values = {name: torch.ones(batch) for name in ("brightness", "contrast", "saturation")}
    values |= {"hue": torch.zeros(batch), "order": torch.arange(4).expand(batch, 4)}
    return colour.Jitter(**(values | {"applies": torch.ones(batch, dtype=torch.bool)} | changes))


FACTORS = [0.0, 0.3, 0.8, 1.0, 1.4, 1.9]
TURNS = [-0.5, -0.2, -0.03, 0.0, 0.1, 0.5]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_image_is_jittered_by_its_own_factor_as_torchvision_does(
    name: str, channels: int, view_with: ViewWith
) -> None:
    amounts = TURNS if name == "hue" else FACTORS
    view = view_with(jitter=1.0, **{name: 0.5})
    images = photos(len(amounts), channels)
    found = colour.jitter_colours(images, view, jitter(len(amounts), **{name: torch.tensor(amounts)}))
    operate = getattr(tv, f"adjust_{name}")
    expected = torch.stack([operate(image, amount) for image, amount in zip(images, amounts, strict=True)])
    torch.testing.assert_close(found, expected, **(HUE if name == "hue" else FORMULA))


def test_images_that_the_jitter_passes_over_keep_their_bits(view_with: ViewWith) -> None:
    view = view_with(jitter=0.5, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    images = photos(6)
    applies = torch.tensor([True, False] * 3)
    drawn = jitter(6, brightness=torch.full((6,), 0.5), hue=torch.full((6,), 0.1), applies=applies)
    found = colour.jitter_colours(images, view, drawn)
    assert torch.equal(found[~applies], images[~applies])
    assert not any(torch.equal(a, b) for a, b in zip(found[applies], images[applies], strict=True))


def test_the_four_operations_come_in_the_order_that_was_drawn_for_each_image(view_with: ViewWith) -> None:
    """One image, 24 orders in one batch: each equals torchvision's four calls one after the other."""
    view = view_with(jitter=1.0, brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2)
    orders = list(permutations(range(4)))
    image = photos(1)[0]
    names, amounts = ("brightness", "contrast", "saturation", "hue"), (1.4, 0.6, 1.5, 0.15)
    drawn = jitter(
        24,
        **{name: torch.full((24,), amount) for name, amount in zip(names, amounts, strict=True)},
        order=torch.tensor(orders),
    )
    found = colour.jitter_colours(image.expand(24, 3, SIDE, SIDE), view, drawn)
    for number, order in enumerate(orders):
        expected = image
        for operation in order:
            expected = getattr(tv, f"adjust_{names[operation]}")(expected, amounts[operation])
        torch.testing.assert_close(found[number], expected, **HUE)
    assert len({tuple(one.flatten().tolist()) for one in found}) > 12, "the order matters for this image"


def test_the_order_of_the_jitter_varies_from_image_to_image(view_with: ViewWith) -> None:
    drawn = colour.draw_jitter(view_with(jitter=1.0, contrast=0.4, hue=0.1), 24 * 400, generator())
    assert drawn is not None
    counts = [int((drawn.order == torch.tensor(order)).all(1).sum()) for order in permutations(range(4))]
    assert sum(counts) == 24 * 400
    assert min(counts) > 300
    assert max(counts) < 500


def test_the_jitter_is_drawn_as_params_say(view_with: ViewWith) -> None:
    view = view_with(jitter=0.8, brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)
    drawn = colour.draw_jitter(view, MANY, generator())
    assert drawn is not None
    uniform(drawn.brightness, 0.6, 1.4)
    uniform(drawn.contrast, 0.7, 1.3)
    uniform(drawn.saturation, 0.8, 1.2)
    uniform(drawn.hue, -0.1, 0.1)
    frequency(drawn.applies, 0.8)
    together = torch.stack([drawn.brightness, drawn.contrast, drawn.saturation, drawn.hue, drawn.applies.float()])
    assert float((torch.corrcoef(together) - torch.eye(5)).abs().max()) < 0.06


def test_a_strength_above_one_never_draws_a_negative_factor(view_with: ViewWith) -> None:
    drawn = colour.draw_jitter(view_with(jitter=1.0, brightness=1.5), MANY, generator())
    assert drawn is not None
    uniform(drawn.brightness, 0, 2.5)


def test_grayscale_is_torchvisions_for_those_that_were_drawn(view_with: ViewWith) -> None:
    images = photos(MANY // 20)
    view = view_with(grayscale=0.2)
    found = views.make_view(images, view, generator())
    gray = tv.rgb_to_grayscale(images, num_output_channels=3)
    turned = (found - gray).abs().amax((1, 2, 3)) < 2e-6
    frequency(turned, 0.2)
    assert torch.equal(found[~turned], images[~turned])


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 1.0])
def test_solarise_inverts_what_is_at_or_above_the_threshold(threshold: float, view_with: ViewWith) -> None:
    images = photos(3)
    view = view_with(solarise=1.0, solarise_threshold=threshold)
    torch.testing.assert_close(views.make_view(images, view, generator()), tv.solarize(images, threshold), **FORMULA)


@pytest.mark.parametrize(("side", "kernel"), [(16, 3), (32, 3), (40, 5), (96, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_blurred_by_its_own_sigma_as_torchvision_does(side: int, kernel: int, channels: int) -> None:
    """The kernel is about a tenth of the side, and odd."""
    sigmas = [0.1, 0.5, 1.0, 2.0]
    images = photos(len(sigmas), channels, side)
    found = colour.blur(images, torch.tensor(sigmas))
    blurred = [tv.gaussian_blur(image, [kernel] * 2, [sigma] * 2) for image, sigma in zip(images, sigmas, strict=True)]
    torch.testing.assert_close(found, torch.stack(blurred), **FORMULA)


def test_some_images_are_blurred_and_the_others_keep_their_bits(view_with: ViewWith) -> None:
    images = photos(400)
    view = view_with(blur=0.3, blur_sigma=[0.5, 2.0])
    drawn = views.draw(view, images.shape, generator())
    assert drawn.blur_sigma is not None
    blurred = drawn.blur_sigma > 0
    frequency(blurred, 0.3)
    assert float(drawn.blur_sigma[blurred].min()) >= 0.5
    assert float(drawn.blur_sigma.max()) <= 2
    found = views.apply(images, view, drawn)
    assert torch.equal(found[~blurred], images[~blurred])
    assert float((found - images)[blurred].abs().amax((1, 2, 3)).min()) > 0.01


def test_noise_has_the_deviation_that_was_asked_for_and_stays_in_range(view_with: ViewWith) -> None:
    gray = torch.full((50, 3, SIDE, SIDE), 0.5)
    noise = views.make_view(gray, view_with(noise=0.05), generator()) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)
    black = views.make_view(torch.zeros(50, 1, SIDE, SIDE), view_with(noise=0.5), generator())
    assert float(black.min()) == 0
    assert float(black.max()) == 1
    frequency(black.flatten() == 0, 0.5)


@pytest.mark.parametrize("name", ["solarise", "grayscale", "blur", "flip"])
@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_an_operation_comes_as_often_as_its_probability_says(
    name: str, probability: float, view_with: ViewWith
) -> None:
    drawn = views.draw(view_with(**{name: probability}), torch.Size((MANY, 3, 8, 8)), generator())
    happens = {
        "solarise": lambda: drawn.solarise,
        "grayscale": lambda: drawn.grayscale,
        "blur": lambda: drawn.blur_sigma > 0,
        "flip": lambda: drawn.affine[:, 0, 0] < 0,
    }
    frequency(happens[name](), probability)


# ---------------------------------------------------------------- the whole view


@pytest.fixture
def everything(view_with: ViewWith) -> View:
    """Every operation on."""
    return view_with(
        crop_area=[0.2, 1.0],
        crop_ratio=[3 / 4, 4 / 3],
        flip=0.5,
        rotate=30.0,
        scale=0.2,
        shift=0.1,
        shear=10.0,
        jitter=0.8,
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        grayscale=0.2,
        blur=0.5,
        solarise=0.3,
        noise=0.1,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_with_everything_off_the_view_is_the_image_to_the_bit(channels: int, view_with: ViewWith) -> None:
    images = photos(5, channels)
    assert torch.equal(views.make_view(images, view_with(), generator()), images)
    sure_of_nothing = view_with(jitter=1.0, blur_sigma=[1.0, 1.0], solarise_threshold=0.1)
    assert torch.equal(views.make_view(images, sure_of_nothing, generator()), images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_view_with_everything_on_keeps_the_shape_and_the_range(channels: int, noise: float, everything: View) -> None:
    images = photos(300, channels)
    images[:20], images[20:40] = 0, 1
    before = images.clone()
    found = views.make_view(images, everything.model_copy(update={"noise": noise}), generator())
    assert found.shape == images.shape
    assert found.dtype == torch.float32
    assert float(found.min()) >= -1e-6
    assert float(found.max()) <= 1 + 1e-6
    assert torch.equal(images, before), "the feed's own images must stay for the next epoch"
    changed = (found[40:] - images[40:]).abs().amax((1, 2, 3)) > 0.01
    assert bool(changed.all())


def test_the_operations_come_in_the_order_of_the_paper(everything: View) -> None:
    """Geometry, colour, grayscale, blur, solarise, noise: each as torchvision does it, for one image at a time."""
    images = photos(40)
    drawn = views.draw(everything, images.shape, generator())
    found = views.apply(images, everything, drawn)
    for number, image in enumerate(images):
        expected = one_by_one(image, everything, drawn, number)
        # A pixel within rounding of the threshold may fall on the other side of it.
        apart = (found[number] - expected).abs().amax(0) > 1e-3
        assert int(apart.sum()) <= 2, number
    assert drawn.noise is not None


def one_by_one(image: Tensor, view: View, drawn: views.Drawn, number: int) -> Tensor:
    """What was drawn for one image, by torchvision; only the resampling is ours, which has tests of its own."""
    image = geometry.resample(
        image[None], drawn.affine[number : number + 1], black_outside=geometry.leaves_image(view)
    )[0]
    if drawn.jitter.applies[number]:
        for operation in drawn.jitter.order[number].tolist():
            name = ("brightness", "contrast", "saturation", "hue")[operation]
            image = getattr(tv, f"adjust_{name}")(image, float(getattr(drawn.jitter, name)[number]))
    if drawn.grayscale[number]:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    if drawn.blur_sigma[number] > 0:
        image = tv.gaussian_blur(image, [3, 3], [float(drawn.blur_sigma[number])] * 2)
    if drawn.solarise[number]:
        image = tv.solarize(image, view.solarise_threshold)
    return (image + drawn.noise[number]).clamp(0, 1)


def test_the_same_generator_draws_the_same_views_and_then_others(everything: View) -> None:
    images = photos(8)
    one, other = generator(4), generator(4)
    first = views.make_view(images, everything, one)
    assert torch.equal(first, views.make_view(images, everything, other))
    assert not torch.equal(first, views.make_view(images, everything, one))


def test_every_image_of_a_batch_gets_a_view_of_its_own(everything: View) -> None:
    same = photos(1).expand(30, 3, SIDE, SIDE)
    found = views.make_view(same, everything.model_copy(update={"noise": 0.0}), generator())
    assert len({tuple(one.flatten().tolist()) for one in found}) == 30


# ---------------------------------------------------------------- params


def test_the_second_view_takes_over_what_it_does_not_change(still: dict[str, Any]) -> None:
    first = still | {"rotate": 10.0, "blur": 1.0}
    both = Views.model_validate({"first": first, "second": {"blur": 0.1, "solarise": 0.2}})
    assert both.first == View.model_validate(first)
    assert both.second == View.model_validate(first | {"blur": 0.1, "solarise": 0.2})
    assert both.first.solarise == 0


def test_a_second_view_that_changes_nothing_is_the_first(still: dict[str, Any]) -> None:
    both = Views.model_validate({"first": still | {"rotate": 10.0}, "second": {}})
    assert both.second == both.first


@pytest.mark.parametrize("views", [{}, {"second": None}], ids=["missing", "empty"])
def test_a_second_view_that_is_not_stated_is_asked_for(views: dict[str, Any], still: dict[str, Any]) -> None:
    """No default hides: a view that is the first again is written as {}."""
    with pytest.raises(ValidationError, match="second"):
        Views.model_validate({"first": still} | views)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ({}, {"solarize": 0.2}, "solarise"),
        ({"flip": 1.5}, {}, "flip"),
        ({"crop_area": [0.5, 0.2]}, {}, "crop_area"),
        ({"crop_area": [0.5, 1.2]}, {}, "crop_area"),
        ({}, {"blur_sigma": [0.0, 1.0]}, "blur_sigma"),
    ],
)
def test_a_view_that_cannot_be_drawn_is_refused_by_name(
    first: dict[str, Any], second: dict[str, Any], named: str, still: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=named):
        Views.model_validate({"first": still | first, "second": second})


def test_a_crop_at_the_edge_of_a_white_image_is_white_all_over() -> None:
    white = torch.ones(1, 1, 32, 32)
    corner = rows([0.5, 0.0, -0.5], [0.0, 0.5, -0.5])  # the upper left quarter
    assert geometry.resample(white, corner, black_outside=False).min() > 0.999
