"""Tests whole views: what is drawn, how often, in which order it is applied, and what params.yaml may state."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from components.learning import geometry, views
from components.learning.params import View
from tests.learning.checks import MANY, SIDE, assert_frequency, draw_photos, make_generator

FORMULA = {"rtol": 0, "atol": 2e-5}
BICUBIC = InterpolationMode.BICUBIC
ViewWith = Callable[..., View]


def get_shape(images: Tensor) -> views.Shape:
    batch, channels, side, _ = images.shape
    return views.Shape(batch, channels, side, side)


def test_grayscale_is_torchvisions_for_those_that_were_drawn(view_with: ViewWith) -> None:
    images = draw_photos(MANY // 20)
    view = view_with(grayscale=0.2)
    seen = views.make_view(images, view, make_generator(), SIDE)
    gray = tv.rgb_to_grayscale(images, num_output_channels=3)
    turned = (seen - gray).abs().amax((1, 2, 3)) < 2e-6
    assert_frequency(turned, 0.2)
    assert torch.equal(seen[~turned], images[~turned])


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 1.0])
def test_solarise_inverts_what_is_at_or_above_the_threshold(threshold: float, view_with: ViewWith) -> None:
    images = draw_photos(3)
    view = view_with(solarise=1.0, solarise_threshold=threshold)
    torch.testing.assert_close(
        views.make_view(images, view, make_generator(), SIDE), tv.solarize(images, threshold), **FORMULA
    )


def test_some_images_are_blurred_and_the_others_keep_their_bits(view_with: ViewWith) -> None:
    images = draw_photos(400)
    view = view_with(blur=0.3, blur_sigma=[0.5, 2.0])
    drawn = views.draw_view(view, get_shape(images), make_generator())
    blurred = drawn.blurred
    assert blurred is not None
    assert_frequency(blurred, 0.3)
    seen = views.apply_view(images, view, drawn, SIDE)
    assert torch.equal(seen[~blurred], images[~blurred])
    assert float((seen - images)[blurred].abs().amax((1, 2, 3)).min()) > 0.01


def test_noise_has_the_deviation_that_was_asked_for_and_stays_in_range(view_with: ViewWith) -> None:
    gray = torch.full((50, 3, SIDE, SIDE), 0.5)
    noise = views.make_view(gray, view_with(noise=0.05), make_generator(), SIDE) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)
    black = views.make_view(torch.zeros(50, 1, SIDE, SIDE), view_with(noise=0.5), make_generator(), SIDE)
    assert float(black.min()) == 0
    assert float(black.max()) == 1
    assert_frequency(black.flatten() == 0, 0.5)


@pytest.mark.parametrize("name", ["solarise", "grayscale", "blur", "flip"])
@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_an_operation_comes_as_often_as_its_probability_says(
    name: str, probability: float, view_with: ViewWith
) -> None:
    drawn = views.draw_view(view_with(**{name: probability}), views.Shape(MANY, 3, 8, 8), make_generator())
    happens = {
        "solarise": lambda: drawn.solarise,
        "grayscale": lambda: drawn.grayscale,
        "blur": lambda: drawn.blurred,
        "flip": lambda: drawn.crop.mirrored,
    }
    assert_frequency(happens[name](), probability)


@pytest.fixture
def everything(view_with: ViewWith) -> View:
    """Return a view with every operation on."""
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
    images = draw_photos(5, channels)
    assert torch.equal(views.make_view(images, view_with(), make_generator(), SIDE), images)
    sure_of_nothing = view_with(jitter=1.0, blur_sigma=[1.0, 1.0], solarise_threshold=0.1)
    assert torch.equal(views.make_view(images, sure_of_nothing, make_generator(), SIDE), images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_view_with_everything_on_keeps_the_shape_and_the_range(channels: int, noise: float, everything: View) -> None:
    images = draw_photos(300, channels)
    images[:20], images[20:40] = 0, 1
    before = images.clone()
    seen = views.make_view(images, everything.model_copy(update={"noise": noise}), make_generator(), SIDE)
    assert seen.shape == images.shape
    assert seen.dtype == torch.float32
    assert float(seen.min()) >= -1e-6
    assert float(seen.max()) <= 1 + 1e-6
    assert torch.equal(images, before), "the feed's own images must stay for the next epoch"
    changed = (seen[40:] - images[40:]).abs().amax((1, 2, 3)) > 0.01
    assert bool(changed.all())


def test_the_operations_come_in_the_order_of_the_paper(everything: View) -> None:
    """Geometry, colour, grayscale, blur, solarise and noise are each compared with torchvision, image by image."""
    images = draw_photos(40)
    drawn = views.draw_view(everything, get_shape(images), make_generator())
    seen = views.apply_view(images, everything, drawn, SIDE)
    for number, image in enumerate(images):
        expected = apply_by_torchvision(image, everything, drawn, number)
        # A pixel within rounding of the threshold may fall on the other side of it.
        apart = (seen[number] - expected).abs().amax(0) > 1e-3
        assert int(apart.sum()) <= 2, number
    assert drawn.noise is not None


def apply_by_torchvision(image: Tensor, view: View, drawn: views.Drawn, number: int) -> Tensor:
    """Apply the drawn view of one image by torchvision, except the resampling, which has tests of its own."""
    image = geometry.warp(image[None], drawn.affine[number : number + 1], SIDE)[0]
    if drawn.jitter.applies[number]:
        for operation in drawn.jitter.order[number].tolist():
            name = ("brightness", "contrast", "saturation", "hue")[operation]
            image = getattr(tv, f"adjust_{name}")(image, float(getattr(drawn.jitter, name)[number]))
    if drawn.grayscale[number]:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    if drawn.blurred[number]:
        image = tv.gaussian_blur(image, [3, 3], [float(drawn.blur_sigma[number])] * 2)
    if drawn.solarise[number]:
        image = tv.solarize(image, view.solarise_threshold)
    return (image + drawn.noise[number]).clamp(0, 1)


def test_the_same_generator_draws_the_same_views_and_then_others(everything: View) -> None:
    images = draw_photos(8)
    generator, same_generator = make_generator(4), make_generator(4)
    first = views.make_view(images, everything, generator, SIDE)
    assert torch.equal(first, views.make_view(images, everything, same_generator, SIDE))
    assert not torch.equal(first, views.make_view(images, everything, generator, SIDE))


def test_every_image_of_a_batch_gets_a_view_of_its_own(everything: View) -> None:
    same = draw_photos(1).expand(30, 3, SIDE, SIDE)
    seen = views.make_view(same, everything.model_copy(update={"noise": 0.0}), make_generator(), SIDE)
    assert len({tuple(view.flatten().tolist()) for view in seen}) == 30


@pytest.mark.parametrize("turned", [0.0, 20.0])
def test_a_view_may_be_smaller_than_the_image_it_is_cut_from(turned: float, view_with: ViewWith) -> None:
    images = draw_photos(6, side=24)
    seen = views.make_view(images, view_with(crop_area=[0.3, 1.0], rotate=turned, noise=0.01), make_generator(), SIDE)
    assert seen.shape == (6, 3, SIDE, SIDE)
    small = views.make_view(images, view_with(), make_generator(), SIDE)  # nothing but the size
    torch.testing.assert_close(small, tv.resize(images, [SIDE, SIDE], BICUBIC, antialias=True).clamp(0, 1), **FORMULA)
