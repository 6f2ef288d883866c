"""Tests colours and blur against torchvision, and the distributions that their numbers are drawn from.

Tolerances: a formula in float32 against the same formula in another order of operations 2e-6; hue, whose HSV circle
divides by small spans, 2e-5.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from components.learning import colour
from components.learning.params import View
from tests.learning.checks import MANY, assert_frequency, assert_uniform, draw_photos, make_uniforms

FORMULA = {"rtol": 0, "atol": 2e-6}
HUE = {"rtol": 0, "atol": 2e-5}
ViewWith = Callable[..., View]


def make_jitter(batch: int, **changes: Any) -> colour.Jitter:
    """Make a jitter that changes nothing, in the order of params.yaml, except for `changes`."""
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
    images = draw_photos(len(amounts), channels)
    actual = colour.jitter_colours(images.clone(), view, make_jitter(len(amounts), **{name: torch.tensor(amounts)}))
    operate = getattr(tv, f"adjust_{name}")
    expected = torch.stack([operate(image, amount) for image, amount in zip(images, amounts, strict=True)])
    torch.testing.assert_close(actual, expected, **(HUE if name == "hue" else FORMULA))


def test_images_that_the_jitter_passes_over_keep_their_bits(view_with: ViewWith) -> None:
    view = view_with(jitter=0.5, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    images = draw_photos(6)
    applies = torch.tensor([True, False] * 3)
    drawn = make_jitter(6, brightness=torch.full((6,), 0.5), hue=torch.full((6,), 0.1), applies=applies)
    actual = colour.jitter_colours(images.clone(), view, drawn)
    assert torch.equal(actual[~applies], images[~applies])
    assert not any(torch.equal(a, b) for a, b in zip(actual[applies], images[applies], strict=True))


def test_the_four_operations_come_in_the_order_that_was_drawn_for_each_image(view_with: ViewWith) -> None:
    """Each of the 24 orders in a batch of one image equals torchvision's four calls one after the other."""
    view = view_with(jitter=1.0, brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2)
    orders = list(permutations(range(4)))
    image = draw_photos(1)[0]
    names, amounts = ("brightness", "contrast", "saturation", "hue"), (1.4, 0.6, 1.5, 0.15)
    drawn = make_jitter(
        24,
        **{name: torch.full((24,), amount) for name, amount in zip(names, amounts, strict=True)},
        order=torch.tensor(orders),
    )
    actual = colour.jitter_colours(image.repeat(24, 1, 1, 1), view, drawn)
    for number, order in enumerate(orders):
        expected = image
        for operation in order:
            expected = getattr(tv, f"adjust_{names[operation]}")(expected, amounts[operation])
        torch.testing.assert_close(actual[number], expected, **HUE)
    assert len({tuple(image_of_order.flatten().tolist()) for image_of_order in actual}) > 12, (
        "the order matters for this image"
    )


def test_the_order_of_the_jitter_varies_from_image_to_image(view_with: ViewWith) -> None:
    drawn = colour.draw_jitter(view_with(jitter=1.0, contrast=0.4, hue=0.1), 24 * 400, make_uniforms(24 * 400))
    assert drawn is not None
    counts = [int((drawn.order == torch.tensor(order)).all(1).sum()) for order in permutations(range(4))]
    assert sum(counts) == 24 * 400
    assert min(counts) > 300
    assert max(counts) < 500


def test_the_jitter_is_drawn_as_params_say(view_with: ViewWith) -> None:
    view = view_with(jitter=0.8, brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)
    drawn = colour.draw_jitter(view, MANY, make_uniforms(MANY))
    assert drawn is not None
    assert_uniform(drawn.brightness, 0.6, 1.4)
    assert_uniform(drawn.contrast, 0.7, 1.3)
    assert_uniform(drawn.saturation, 0.8, 1.2)
    assert_uniform(drawn.hue, -0.1, 0.1)
    assert_frequency(drawn.applies, 0.8)
    together = torch.stack([drawn.brightness, drawn.contrast, drawn.saturation, drawn.hue, drawn.applies.float()])
    assert float((torch.corrcoef(together) - torch.eye(5)).abs().max()) < 0.06


def test_a_strength_above_one_never_draws_a_negative_factor(view_with: ViewWith) -> None:
    drawn = colour.draw_jitter(view_with(jitter=1.0, brightness=1.5), MANY, make_uniforms(MANY))
    assert drawn is not None
    assert_uniform(drawn.brightness, 0, 2.5)


@pytest.mark.parametrize(("side", "kernel"), [(16, 3), (32, 3), (40, 5), (96, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_blurred_by_its_own_sigma_as_torchvision_does(side: int, kernel: int, channels: int) -> None:
    """The kernel is about a tenth of the side, and odd."""
    sigmas = [0.1, 0.5, 1.0, 2.0]
    images = draw_photos(len(sigmas), channels, side)
    actual = colour.blur(images, torch.tensor(sigmas))
    blurred = [tv.gaussian_blur(image, [kernel] * 2, [sigma] * 2) for image, sigma in zip(images, sigmas, strict=True)]
    torch.testing.assert_close(actual, torch.stack(blurred), **FORMULA)
