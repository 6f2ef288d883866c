"""Tests BYOL's networks: their heads, their connections, their initial weights, and how fast the target follows."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from components.byol.objective import build_head
from components.byol.params import Head
from tests.pretrain.tiny import HEAD as TINY_HEAD
from tests.pretrain.tiny import build_byol

HEAD = Head(hidden=12, out=6)


def compute_tau(step: int, steps: int, *, base: float, hold: float = 0.0) -> float:
    return build_byol(tau_base=base, tau_hold=hold).schedule(step, steps)["tau"]


def test_heads_are_those_of_the_paper() -> None:
    """A head is Linear with bias, BatchNorm, ReLU and Linear without bias, with no norm after it."""
    first, norm, relu, last = build_head(10, HEAD)
    assert isinstance(first, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(relu, nn.ReLU)
    assert isinstance(last, nn.Linear)
    assert first.weight.shape == (12, 10)
    assert first.bias is not None
    assert last.weight.shape == (6, 12)
    assert last.bias is None
    assert (norm.num_features, norm.momentum, norm.eps, norm.affine) == (12, 0.1, 1e-5, True)


def test_every_norm_of_the_network_forgets_a_tenth_a_batch() -> None:
    norms = [module for module in build_byol().modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-5)}


def test_the_online_network_predicts_from_the_projection() -> None:
    online = build_byol().online.eval()
    assert online.projector[0].in_features == 16
    assert online.predictor[0].in_features == TINY_HEAD.out
    views = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        by_hand = online.predictor(online.projector(online.encoder(views)))
        assert online(views).shape == (3, TINY_HEAD.out)
        torch.testing.assert_close(online(views), by_hand)
        assert not torch.allclose(by_hand, online.projector(online.encoder(views)))


def test_signals_neither_die_nor_explode_on_their_way_through_a_fresh_network() -> None:
    online = build_byol().online
    prediction = online(torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert 0.05 < float(prediction.detach().std(0).mean()) < 20
    prediction.square().mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in online.parameters())


@pytest.mark.parametrize(
    ("step", "base", "expected"),
    [
        (0, 0.99, 0.99),
        (4, 0.99, 0.9925),  # a third: cos 60 = 1/2, so three quarters of 1 - base are left
        (6, 0.99, 0.995),
        (8, 0.99, 0.9975),
        (12, 0.99, 1.0),
        (3, 0.996, 0.9965858),  # a quarter: 1 - 0.004 * 0.8535534
        (0, 0.0, 0.0),
        (6, 0.0, 0.5),
        (5, 1.0, 1.0),  # a random target stays one
    ],
)
def test_tau_rises_from_its_base_to_one_along_a_cosine(step: int, base: float, expected: float) -> None:
    assert compute_tau(step, 12, base=base) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        (0.0, [0.9, 0.9066987, 0.925, 0.95, 0.975, 0.9933013, 1.0]),  # 30 degrees apart
        (0.5, [0.9, 0.9, 0.9, 0.9, 0.925, 0.975, 1.0]),  # half the run, then 60 degrees apart
        (1.0, [0.9] * 7),  # to the end
    ],
)
def test_tau_stays_at_its_base_for_as_long_as_params_say(hold: float, expected: list[float]) -> None:
    taus = [compute_tau(step, 12, base=0.9, hold=hold) for step in range(0, 13, 2)]
    assert taus == pytest.approx(expected, abs=1e-7)


def test_the_target_slows_down_at_every_step_and_moves_until_the_last() -> None:
    values = [compute_tau(step, 300, base=0.9) for step in range(300)]
    assert all(a < b for a, b in pairwise(values))
    assert values[0] == pytest.approx(0.9)
    assert 0.9999 < values[-1] < 1
