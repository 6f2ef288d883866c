"""Tests the numbers that views are read from: how they are drawn, that each is read once, and in which order."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from components.learning import views
from components.learning.geometry import Uniforms
from components.learning.params import View
from tests.learning.checks import SIDE, make_generator

ViewWith = Callable[..., View]


class RandomCalls(TorchDispatchMode):
    """Counts the operations that draw from a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "generator" in (kwargs or {})
        return func(*args, **(kwargs or {}))


SOME: list[dict[str, Any]] = [
    {},
    {"flip": 0.5},
    {"crop_area": [0.3, 1.0], "rotate": 10.0, "noise": 0.1},
    {"jitter": 0.8, "hue": 0.1},
    {"grayscale": 0.2, "blur": 0.5, "solarise": 0.2, "noise": 0.1},
]
SOME.append({key: value for changes in SOME for key, value in changes.items()})  # everything at once


@pytest.mark.parametrize("changes", SOME, ids=str)
def test_a_batch_is_drawn_in_two_calls_whatever_the_view(changes: dict[str, Any], view_with: ViewWith) -> None:
    """On a GPU every call is a kernel to launch, and a call in mid-step could not be repeated by a CUDA graph."""
    with RandomCalls() as calls:
        views.draw_numbers(view_with(**changes), views.Shape(4, 3, 20, SIDE), make_generator())
    assert calls.count == 2


class NotedUniforms(Uniforms):
    """Notes which numbers are handed out."""

    def __init__(self, numbers: Tensor) -> None:
        super().__init__(numbers)
        self.taken: list[float] = []

    def take(self, count: int) -> Tensor:
        """Return the next numbers, and note them: (count,)."""
        found = super().take(count)
        self.taken += found.tolist()
        return found


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("changes", SOME, ids=str)
def test_every_number_that_is_drawn_is_read_once(changes: dict[str, Any], channels: int, view_with: ViewWith) -> None:
    """A number that two operations share would tie them together; one that nobody reads would be drawn for nothing."""
    view = view_with(**changes)
    shape = views.Shape(4, channels, 20, SIDE)
    uniform, normal = views.draw_numbers(view, shape, make_generator())
    noted = NotedUniforms(uniform)
    views.read_draws(view, shape, noted, normal)
    assert noted.taken == uniform.tolist()
    assert len(uniform) == views.count_uniforms(view, shape)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("changes", SOME, ids=str)
def test_parts_of_a_batch_are_seen_as_in_the_whole(changes: dict[str, Any], channels: int, view_with: ViewWith) -> None:
    """A batch that is computed in parts, or by several processes, must not show other views of its images."""
    view, batch = view_with(**changes), 12
    shape = views.Shape(batch, channels, 20, SIDE)
    images = torch.rand(batch, channels, 20, 20, generator=make_generator(1))
    numbers = views.draw_numbers(view, shape, make_generator())
    whole = views.apply_view(images, view, views.read_numbers(view, shape, numbers), SIDE)
    parts = []
    for rows in (slice(0, 4), slice(4, 8), slice(8, 12)):
        selected = views.select_numbers(view, shape, numbers, rows)
        drawn = views.read_numbers(view, shape._replace(batch=4), selected)
        parts.append(views.apply_view(images[rows], view, drawn, SIDE))
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-5)


def test_a_crop_is_read_from_consecutive_numbers_in_the_order_that_all_runs_depend_on(view_with: ViewWith) -> None:
    """Ten shares and ten ratios per image, then left, top and flip; worked out image by image in float64."""
    view = view_with(crop_area=[0.5, 1.0], crop_ratio=[0.5, 2.0], flip=0.4, noise=0.1)
    drawn = views.draw_view(view, views.Shape(12, 1, 20, 8), make_generator(3))
    assert drawn.crop is not None
    generator = make_generator(3)
    shares, ratios = (torch.rand(120, generator=generator).view(12, 10).tolist() for _ in range(2))
    left, top, flip = (torch.rand(12, generator=generator).tolist() for _ in range(3))
    tries = []
    for image in range(12):
        areas = [400 * (0.5 + 0.5 * number) for number in shares[image]]  # pixels
        shapes = [math.exp((2 * number - 1) * math.log(2)) for number in ratios[image]]
        sides = [(round(math.sqrt(a * r)), round(math.sqrt(a / r))) for a, r in zip(areas, shapes, strict=True)]
        first = next(number for number, (width, height) in enumerate(sides) if width <= 20 and height <= 20)
        width, height = sides[first]
        tries.append(first)
        expected = [int(left[image] * (21 - width)), int(top[image] * (21 - height)), width, height, flip[image] < 0.4]
        assert [float(value[image]) for value in vars(drawn.crop).values()] == expected
    assert max(tries) > 0, "some first try did not fit"
    assert drawn.noise is not None
    assert torch.equal(drawn.noise, 0.1 * torch.randn(12, 1, 8, 8, generator=generator)), (
        "the noise is drawn at the end"
    )


def test_the_numbers_after_the_crop_are_read_in_the_order_of_the_operations(view_with: ViewWith) -> None:
    """Jitter, grayscale, blur and solarise; another order would give every run with the same seed other views."""
    view = view_with(
        **{"jitter": 0.7, "brightness": 0.4, "contrast": 0.3, "saturation": 0.2, "hue": 0.1},
        **{"grayscale": 0.4, "blur": 0.6, "blur_sigma": [0.5, 2.0], "solarise": 0.3},
    )
    drawn = views.draw_view(view, views.Shape(6, 3, SIDE, SIDE), make_generator(3))
    assert drawn.jitter is not None
    generator = make_generator(3)
    for name, strength in (("brightness", 0.4), ("contrast", 0.3), ("saturation", 0.2)):
        expected = 1 - strength + 2 * strength * torch.rand(6, generator=generator)
        torch.testing.assert_close(getattr(drawn.jitter, name), expected)
    torch.testing.assert_close(drawn.jitter.hue, 0.2 * torch.rand(6, generator=generator) - 0.1)
    assert torch.equal(drawn.jitter.order, torch.rand(6, 4, generator=generator).argsort(1))
    assert torch.equal(drawn.jitter.applies, torch.rand(6, generator=generator) < 0.7)
    assert torch.equal(drawn.grayscale, torch.rand(6, generator=generator) < 0.4)
    assert torch.equal(drawn.blurred, torch.rand(6, generator=generator) < 0.6)
    torch.testing.assert_close(drawn.blur_sigma, 0.5 + 1.5 * torch.rand(6, generator=generator))
    assert torch.equal(drawn.solarise, torch.rand(6, generator=generator) < 0.3)
