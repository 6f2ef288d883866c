"""A batch that is computed in parts: the step is that of the whole batch, but for BatchNorm, and takes less memory."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from components.learning.objective import Batch, Objective, ViewSet
from components.learning.params import Optimiser
from components.learning.replicas import ALONE
from components.pretrain.feeds.maker import ReadyMaker, build_batched_maker
from components.pretrain.loop import EpochRecord, train
from tests.conftest import EVERYTHING_OFF
from tests.pretrain.tiny import ADAMW, CPU, LARS, SGD, begin_training, build_article, build_byol, draw_pairs, take_step
from tests.small import make_settings

BATCH, STEPS = 12, 3
VIEWS_DIFFER = 1e-5  # views are float32: the last digit may depend on how many are made at once
VIEW = EVERYTHING_OFF | {"crop_area": (0.3, 1.0), "rotate": 10.0, "jitter": 0.8, "contrast": 0.4, "noise": 0.05}
VIEWS = {"online": 3, "first": VIEW, "second": {"blur": 0.5}, "target": {"count": 2, "jitter": 0.0, "noise": 0.0}}


class RandomFeed:
    """A feed of one epoch of random images, or of as many views of them if its maker takes views."""

    steps_per_epoch = STEPS

    def __init__(self, maker: Any, tensors: int) -> None:
        self.maker, self.tensors = maker, tensors

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches from this step on."""
        for number in range(step, STEPS):
            generator = torch.Generator().manual_seed(number)
            shape = (self.tensors, BATCH, 1, 8, 8)
            yield tuple(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))


def remove_norms(network: nn.Module) -> None:
    """Replace every BatchNorm in the network by nothing."""
    for parent in list(network.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, nn.Identity())


def run(objective: Objective, parts: int, *, optimiser: Optimiser = SGD, ready: bool = False) -> dict[str, Any]:
    """Train for some steps in float64; return losses, the last gradient's norm, weights and target."""
    params = make_settings(views=VIEWS, batch_size=BATCH, epochs=1, accumulate=parts, optimiser=optimiser)
    objective.double()
    state, engine = begin_training(params, steps_per_epoch=STEPS, objective=objective)
    maker = ReadyMaker(params.views, params.images) if ready else build_batched_maker(params, CPU, ALONE)
    make = maker.make
    maker.make = lambda *given: ViewSet(*(tuple(view.double() for view in views) for views in make(*given)))
    kept: dict[str, Any] = {}

    def keep(_: Any, record: EpochRecord) -> None:
        kept.update(losses=state.losses.clone(), norm=record.gradient_norm)

    train(state, engine, RandomFeed(maker, 5 if ready else 1), params, on_step=lambda _: None, on_epoch=keep)
    return kept | objective.state_dict()


def assert_same(found: dict[str, Any], expected: dict[str, Any], *, rtol: float = VIEWS_DIFFER) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=rtol, atol=rtol / 1000, msg=lambda text, name=name: name + text
        )


@pytest.mark.parametrize(
    ("optimiser", "parts", "ready"), [(SGD, 2, True), (ADAMW, 6, True), (LARS, 3, True), (LARS, 4, False)]
)
def test_without_batch_norm_the_parts_take_the_steps_of_the_whole(
    optimiser: Optimiser, parts: int, ready: bool
) -> None:
    """Rate, schedules, images, views, gradient and moving average are the batch's, and no part counts twice."""
    runs = []
    for number in (1, parts):
        byol = build_byol()
        remove_norms(byol)
        runs.append(run(byol, number, optimiser=optimiser, ready=ready))
    assert_same(*runs, rtol=1e-9 if ready else VIEWS_DIFFER)


def test_terms_that_are_means_over_images_stay_the_same() -> None:
    runs = []
    for parts in (1, 3):
        article = build_article()
        remove_norms(article)
        article.weights["centre"] = 0.0  # which goes across the images of a part
        runs.append(run(article, parts))
        runs[-1]["losses"] = runs[-1]["losses"][:, [0, 1, 3, 4]]
    assert_same(*runs)


def test_batch_norm_sees_a_part_at_a_time() -> None:
    """Two views of each of three parts are six batches to it; the weights differ from those of the whole batch."""
    whole, parts = (run(build_byol(), number) for number in (1, 3))
    counts = {int(value) for name, value in parts.items() if "online" in name and "num_batches" in name}
    assert counts == {3 * 3 * STEPS}
    name = "online.encoder.0.weight"
    assert not torch.allclose(parts[name], whole[name], rtol=1e-3)


def test_a_step_keeps_no_more_for_the_gradient_than_a_part_needs() -> None:
    """Otherwise a batch larger than the memory could not be trained on, which is what the parts are for."""

    class Kept:
        """A tensor that the backward pass will need."""

        held = peak = 0

        def __init__(self, tensor: Tensor) -> None:
            self.tensor, self.bytes = tensor, 0 if isinstance(tensor, nn.Parameter) else tensor.nbytes
            Kept.held += self.bytes
            Kept.peak = max(Kept.peak, Kept.held)

        def __del__(self) -> None:
            Kept.held -= self.bytes

    peaks = []
    for parts in (1, 4):
        Kept.held = Kept.peak = 0
        state, engine = begin_training(make_settings(optimiser=SGD, batch_size=64, accumulate=parts))
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            for views in draw_pairs(2, batch=64):
                take_step(state, engine, views, learning_rate=0.1, schedule={"tau": 0.9})
        peaks.append(Kept.peak)
    assert peaks[1] < 0.3 * peaks[0]


@pytest.mark.parametrize(
    ("batch", "parts", "fitting"), [(128, 3, 4), (128, 128, 64), (7, 2, 1), (96, 1000, 48), (2, 2, 1)]
)
def test_parts_that_do_not_fit_the_batch_are_refused_with_some_that_do(batch: int, parts: int, fitting: int) -> None:
    with pytest.raises(ValidationError) as caught:
        make_settings(batch_size=batch, accumulate=parts)
    assert (
        f"accumulate: {parts} does not cut batch_size: {batch} into equal parts of two images or more, "
        f"as {fitting} would"
    ) in str(caught.value)
