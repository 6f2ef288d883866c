"""More than four channels, and channels that are named: colours change where they are, and nowhere else.

An infrared channel that a jitter mixed with the colours would no longer say what the sensor measured.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from components.learning import colour, views
from components.learning.params import View
from tests.learning.checks import SIDE, draw_photos, make_generator
from tests.learning.test_channels import CLOSE, COLOURS, EVERYTHING, GEOMETRY

ViewWith = Callable[..., View]
CHANNELS, NAMED = 13, (3, 2, 1)
OTHERS = [number for number in range(CHANNELS) if number not in NAMED]
OF_COLOURS = [name for name in COLOURS if name not in ("blur", "noise")]


@pytest.fixture(params=["apply_to_some", "apply_to_all"], ids=["as on a CPU", "as on a GPU"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "apply_to_some", getattr(colour, request.param))


@pytest.mark.parametrize("name", OF_COLOURS)
@pytest.mark.usefixtures("device")
def test_the_named_channels_change_as_rgb_would_and_the_others_stay_to_the_bit(name: str, view_with: ViewWith) -> None:
    images, view = draw_photos(20, CHANNELS), view_with(**COLOURS[name])
    before = images.clone()
    found = views.make_view(images, view, make_generator(), SIDE, NAMED)
    rgb = views.make_view(images[:, list(NAMED)], view, make_generator(), SIDE)
    assert torch.equal(found[:, list(NAMED)], rgb)
    assert not torch.equal(rgb, images[:, list(NAMED)])
    assert torch.equal(found[:, OTHERS], images[:, OTHERS])
    assert torch.equal(images, before), "the feed's own images must stay for the next epoch"


@pytest.mark.parametrize("name", [*GEOMETRY, "blur"])
def test_what_moves_or_blurs_a_picture_does_so_to_every_channel(name: str, view_with: ViewWith) -> None:
    images, view = draw_photos(20, CHANNELS), view_with(**{**GEOMETRY, **COLOURS}[name])
    found = views.make_view(images, view, make_generator(), SIDE, NAMED)
    alone = [views.make_view(images[:, n : n + 1], view, make_generator(), SIDE) for n in range(CHANNELS)]
    torch.testing.assert_close(found, torch.cat(alone, dim=1), **CLOSE)


@pytest.mark.parametrize("colours", [None, ()])
@pytest.mark.parametrize("name", OF_COLOURS)
def test_without_a_colour_nothing_is_coloured(name: str, colours: Any, view_with: ViewWith) -> None:
    images = draw_photos(20, CHANNELS)
    assert torch.equal(views.make_view(images, view_with(**COLOURS[name]), make_generator(), SIDE, colours), images)


@pytest.mark.parametrize("name", ["blur", "noise"])
@pytest.mark.parametrize("colours", [(), (0, 1, 2)])
def test_the_last_of_four_channels_is_no_alpha_once_colours_are_named(
    name: str, colours: tuple[int, ...], view_with: ViewWith
) -> None:
    images = draw_photos(20, 4)
    found = views.make_view(images, view_with(**COLOURS[name]), make_generator(), SIDE, colours)
    assert not torch.equal(found[:, 3], images[:, 3])


def test_a_single_channel_may_be_named_gray(view_with: ViewWith) -> None:
    images, view = draw_photos(20, 2), view_with(**COLOURS["contrast"])
    found = views.make_view(images, view, make_generator(), SIDE, (1,))
    assert torch.equal(found[:, 1:], views.make_view(images[:, 1:], view, make_generator(), SIDE))
    assert torch.equal(found[:, :1], images[:, :1])


def test_a_compiler_can_follow_named_channels(view_with: ViewWith) -> None:
    view = view_with(**EVERYTHING | {"solarise_threshold": 1.0})
    drawn = views.draw_view(view, views.Shape(20, CHANNELS, SIDE, SIDE, NAMED), make_generator())
    compiled = torch.compile(views.apply_view, fullgraph=True, backend="eager")
    given = draw_photos(20, CHANNELS), view, drawn, SIDE, NAMED
    torch.testing.assert_close(compiled(*given), views.apply_view(*given), rtol=0, atol=2e-5)
