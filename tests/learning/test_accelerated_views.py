"""The views as a GPU makes them, where no operation may ask which images it is meant for, tried out on a CPU.

Whether they are one graph is the compiler's front end alone to say, which takes a second; what its code generator makes
of them, which takes half a minute, is asked once.

A jittered picture may differ by 2e-5, as hue is divided by small spans; solarisation turns a difference at its
threshold into a large one, so that the threshold is at white.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from components.encoder.params import Images
from components.learning import colour, views
from components.learning.params import TargetView, View, Views
from components.learning.replicas import Replica
from components.pretrain.feeds.maker import BatchedMaker
from tests.learning.checks import SIDE, draw_photos, make_generator
from tests.pretrain.tiny import CPU

CLOSE = {"rtol": 0, "atol": 2e-5}
ALL = {"crop_area": [0.3, 1.0], "flip": 0.5, "jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4}
ALL |= {"hue": 0.1, "grayscale": 0.2, "blur": 0.5, "solarise": 0.3, "solarise_threshold": 1.0, "noise": 0.05}
TURNED = {"rotate": 20.0, "scale": 0.1, "shift": 0.1, "shear": 5.0}
BATCH = 20


@pytest.fixture(params=[{}, TURNED], ids=["cut", "turned"])
def view(request: pytest.FixtureRequest, view_with: Callable[..., View]) -> View:
    return view_with(**ALL, **request.param)


@pytest.fixture
def images() -> Tensor:
    return draw_photos(BATCH)


@pytest.fixture
def drawn(view: View) -> views.Drawn:
    return views.draw_view(view, views.Shape(BATCH, 3, SIDE, SIDE), make_generator())


def test_the_picture_is_the_same(
    view: View, images: Tensor, drawn: views.Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = views.apply_view(images, view, drawn, SIDE)
    monkeypatch.setattr(colour, "apply_to_some", colour.apply_to_all)
    torch.testing.assert_close(views.apply_view(images, view, drawn, SIDE), few, **CLOSE)


def test_a_compiler_can_follow_the_views_from_end_to_end(view: View, images: Tensor, drawn: views.Drawn) -> None:
    """A break in its graph would leave hundreds of small kernels to launch at every step."""
    compiled = torch.compile(views.apply_view, fullgraph=True, backend="eager")
    expected = views.apply_view(images, view, drawn, SIDE)
    torch.testing.assert_close(compiled(images, view, drawn, SIDE), expected, **CLOSE)


@pytest.mark.slow
def test_the_code_that_a_compiler_makes_of_them_gives_the_same_picture(
    view_with: Callable[..., View], images: Tensor
) -> None:
    view = view_with(**ALL)
    drawn = views.draw_view(view, views.Shape(BATCH, 3, SIDE, SIDE), make_generator())
    expected = views.apply_view(images, view, drawn, SIDE)
    torch.testing.assert_close(torch.compile(views.apply_view)(images, view, drawn, SIDE), expected, **CLOSE)


def test_the_views_of_a_batch_are_one_graph_for_all_steps(view: View) -> None:
    """A step that is compiled anew, or in pieces, would cost more than compiling saves."""
    target = TargetView(**view.model_dump() | {"count": 1, "jitter": 0.0})
    table = Views(online=3, first=view, second=view.model_copy(update={"blur": 0.1}), target=target)
    params = Images(side=SIDE, read_side=SIDE, range=None, colours=None, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    maker = BatchedMaker(table, params, seed=0, batch_size=BATCH, replica=Replica(0, 1), device=CPU)
    batch = ((draw_photos(BATCH) * 255).byte(),)
    torch.compiler.reset()
    compiled = torch.compile(maker.make, fullgraph=True, dynamic=False, backend="eager")
    for step in range(3):
        draws = maker.draw(step)
        with torch.compiler.set_stance("default" if step == 0 else "fail_on_recompile"):
            found = compiled(batch, draws)
        expected = maker.make(batch, draws)
        assert (len(found.online), len(found.target)) == (3, 1)
        for one, other in zip((*found.online, *found.target), (*expected.online, *expected.target), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-4)  # the deviations above divided by 0.2
