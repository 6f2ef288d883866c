"""The anchor against autograd in float64, and against arithmetic by hand where it is apart from the gradient."""

import pytest
import torch
from torch import Tensor, nn, optim

from components.learning.anchor import anchor_weights
from components.learning.optimiser import build_optimiser, set_rate
from components.learning.params import Optimiser
from tests.learning.test_optimiser import SETTINGS

ALPHA = 0.3


def build_layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2).double()


def compute_loss(layer: nn.Linear, number: int) -> Tensor:
    """Compute a loss whose gradient differs from step to step."""
    inputs = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3) + number
    loss: Tensor = layer(inputs).square().mean()
    return loss


def take_steps(params: Optimiser, *, anchored: bool) -> list[Tensor]:
    """Take steps with the anchor, or with the penalty as the paper writes it, whose gradient autograd finds."""
    layer = build_layer()
    optimiser = build_optimiser(layer, params)
    starts = [parameter.detach().clone() for parameter in layer.parameters()]
    if anchored:
        anchor_weights(layer, optimiser, ALPHA)
    for number in range(4):
        loss = compute_loss(layer, number)
        if not anchored:
            pairs = zip(layer.parameters(), starts, strict=True)
            loss = loss + ALPHA / 2 * torch.stack([(w - start).square().sum() for w, start in pairs]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [parameter.detach() for parameter in layer.parameters()]


@pytest.mark.parametrize("name", ["sgd", "lars", "adam", "rmsprop"])
def test_it_is_the_gradient_of_the_penalty(name: str) -> None:
    for found, expected in zip(
        take_steps(SETTINGS[name], anchored=True), take_steps(SETTINGS[name], anchored=False), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("on_device", [False, True], ids=["number", "tensor"])
def test_with_adamw_it_is_apart_from_the_gradient(on_device: bool) -> None:
    """Without gradient and decay AdamW does not move; at the rate 0.5 the pull leaves 1 - 0.5 * 0.3 of the distance."""
    layer = build_layer()
    layer.weight.requires_grad_(False)
    optimiser = build_optimiser(layer, SETTINGS["adamw"])
    anchor_weights(layer, optimiser, ALPHA)
    start = layer.bias.detach().clone()
    with torch.no_grad():
        layer.bias += 1
    layer.bias.grad = torch.zeros_like(layer.bias)
    set_rate(optimiser, torch.tensor(0.5) if on_device else 0.5)
    optimiser.step()
    torch.testing.assert_close(layer.bias.detach(), start + 1 - 0.5 * ALPHA, rtol=1e-6, atol=0)  # the tensor is float32


def test_what_gets_no_gradient_is_not_pulled() -> None:
    """While the heads learn alone the encoder stays as it is, wherever it is."""
    layer = build_layer()
    optimiser: optim.Optimizer = build_optimiser(layer, SETTINGS["adamw"])
    anchor_weights(layer, optimiser, ALPHA)
    with torch.no_grad():
        layer.bias += 1
    before = layer.bias.detach().clone()
    optimiser.step()
    assert torch.equal(layer.bias.detach(), before)
