"""A step of supervised training stays on its device: it can be repeated there without the host."""

import pytest
import torch
from torch import nn

from components.encoder.params import Images
from components.evaluate.supervised import SupervisedStep
from components.learning import graph
from components.learning.params import View
from tests.conftest import EVERYTHING_OFF

VIEW = View.model_validate(EVERYTHING_OFF | {"crop_area": [0.3, 1.0], "flip": 0.5, "rotate": 10.0})
SHAPE = Images(side=8, read_side=12, range=None, colours=None, mean=(0.4,), std=(0.25,))


def make_step(device: str, generator: torch.Generator) -> SupervisedStep:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    return SupervisedStep(network, optimiser, generator, VIEW, SHAPE)


def make_batch(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.randint(0, 256, (6, 1, 12, 12), generator=torch.Generator().manual_seed(0))
    return pixels.byte().to(device), (torch.arange(6) % 3).to(device)


def test_a_step_asks_for_no_value_and_mixes_no_devices() -> None:
    """Tensors on `meta` have no values: whatever would fetch one to the host, as a GPU would have to, raises."""
    step = make_step("meta", torch.Generator())
    images, labels = make_batch("meta")
    uniform, normal = step.draw(6)
    step((images, labels), (uniform.to("meta"), normal.to("meta")), 0.1, {})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_step_on_a_gpu_does_not_wait_and_learns_what_one_on_a_cpu_does() -> None:
    there, here = make_step("cuda", torch.Generator("cuda")), make_step("cpu", torch.Generator())
    batch, numbers = make_batch("cuda"), here.draw(6)
    moved = (numbers[0].cuda(), numbers[1].cuda())
    there(batch, moved, 0.1, {})
    torch.cuda.set_sync_debug_mode("error")
    try:
        there(batch, moved, 0.1, {})
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for _ in range(2):
        here(make_batch("cpu"), numbers, 0.1, {})
    for name, tensor in there.network.state_dict().items():
        torch.testing.assert_close(tensor.cpu(), here.network.state_dict()[name], rtol=1e-2, atol=1e-3)


def test_a_repeated_step_learns_what_a_single_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the steps are one graph that reads batch, numbers and rate where they lay at its recording."""
    monkeypatch.setattr(graph, "record_graph", lambda stream, work: work)
    weights = []
    for repeats in (False, True):
        step = make_step("cpu", torch.Generator().manual_seed(0))
        learn = graph.RepeatedStep(step, on_failure=pytest.fail) if repeats else step
        images, labels = make_batch("cpu")
        for number in range(graph.WARM_UP + 3):
            learn((images.roll(number, 0), labels.roll(number)), step.draw(6), 0.1 / (1 + number), {})
        weights.append(step.network.state_dict())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-6)
