"""Tests training steps against a second implementation of BYOL (reference.py)."""

import pytest
import torch
from torch import Tensor, nn

from components.pretrain.loop import State
from tests.byol.reference import ReferenceByol
from tests.pretrain.tiny import SGD, begin_training, build_byol, copy_parameters, draw_pairs, take_step
from tests.small import make_settings

RATES_AND_TAUS = [(0.1, 0.9), (0.05, 0.5), (0.2, 0.99)]


@pytest.fixture
def three_steps() -> tuple[State, ReferenceByol, list[tuple[float, float]]]:
    """Take three steps of both implementations, with changing rate and tau; return both losses of every step."""
    byol = build_byol().double()
    reference = ReferenceByol(byol.online)
    state, engine = begin_training(make_settings(optimiser=SGD), objective=byol)
    losses = []
    for pair, (rate, tau) in zip(draw_pairs(3, dtype=torch.float64), RATES_AND_TAUS, strict=True):
        by_state = float(take_step(state, engine, pair, learning_rate=rate, schedule={"tau": tau}))
        losses.append((by_state, reference.step(pair, rate=rate, tau=tau)))
    return state, reference, losses


ThreeSteps = tuple[State, ReferenceByol, list[tuple[float, float]]]


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: name + text)


def test_the_loss_of_every_step_is_that_of_the_paper(three_steps: ThreeSteps) -> None:
    for actual, expected in three_steps[2]:
        assert actual == pytest.approx(expected, rel=1e-10)


def test_the_online_network_learns_as_the_paper_says(three_steps: ThreeSteps) -> None:
    state, reference, _ = three_steps
    assert_same(copy_parameters(state.objective.online), reference.online.values)


def test_the_target_follows_the_online_network_of_after_the_step(three_steps: ThreeSteps) -> None:
    state, reference, _ = three_steps
    assert_same(copy_parameters(state.objective.target), reference.target.values)


def test_both_networks_keep_running_statistics_of_their_own_batches(three_steps: ThreeSteps) -> None:
    """Statistics copied or averaged from the online network would not fit the target's weights."""
    state, reference, _ = three_steps
    for network, expected in (
        (state.objective.online, reference.online.running),
        (state.objective.target, reference.target.running),
    ):
        actual = {name: value for name, value in network.named_buffers() if "num_batches" not in name}
        assert_same(actual, expected)
    of_online = dict(state.objective.online.encoder.named_buffers())["1.running_mean"]
    assert not torch.allclose(of_online, dict(state.objective.target.named_buffers())["0.1.running_mean"])


def test_the_target_begins_as_a_copy_that_shares_no_memory() -> None:
    byol = build_byol()
    copied = nn.Sequential(byol.online.encoder, byol.online.projector)
    assert_same(byol.target.state_dict(), copied.state_dict())
    with torch.no_grad():
        for parameter in byol.online.parameters():
            parameter.add_(1)
    first = next(iter(byol.target.parameters()))
    assert not torch.equal(first, next(iter(byol.online.encoder.parameters())))


def test_the_target_learns_by_no_gradient_and_normalises_with_its_own_batch() -> None:
    byol = build_byol().eval()
    state, engine = begin_training(make_settings(optimiser=SGD), objective=byol)
    assert all(module.training for module in byol.target.modules())
    assert all(module.training for module in byol.online.modules())
    take_step(state, engine, draw_pairs(1)[0], learning_rate=0.1, schedule={"tau": 0.9})
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in byol.target.parameters())
    optimised = {id(parameter) for group in state.optimiser.param_groups for parameter in group["params"]}
    assert not optimised & {id(parameter) for parameter in byol.target.parameters()}
    assert all(module.training for module in byol.target.modules())


def test_every_view_is_a_batch_of_its_own() -> None:
    """Joined views would share the statistics of BatchNorm, which changes the task."""
    byol = build_byol()
    state, engine = begin_training(make_settings(optimiser=SGD), objective=byol)
    for done, pair in enumerate(draw_pairs(3), start=1):
        take_step(state, engine, pair, learning_rate=0.1, schedule={"tau": 0.9})
        for network in (byol.online, byol.target):
            counts = {int(value) for name, value in network.named_buffers() if "num_batches" in name}
            assert counts == {2 * done}
        assert state.step == done


def test_tau_zero_makes_the_target_the_online_network_that_the_step_has_left() -> None:
    byol = build_byol()
    state, engine = begin_training(make_settings(optimiser=SGD), objective=byol)
    before = copy_parameters(byol.online)
    take_step(state, engine, draw_pairs(1)[0], learning_rate=0.1, schedule={"tau": 0.0})
    after = copy_parameters(nn.Sequential(byol.online.encoder, byol.online.projector))
    for name, value in copy_parameters(byol.target).items():
        assert torch.equal(value, after[name])
    assert any(not torch.equal(before[name], value) for name, value in copy_parameters(byol.online).items())


def test_tau_one_leaves_the_target_where_it_began() -> None:
    byol = build_byol()
    state, engine = begin_training(make_settings(optimiser=SGD), objective=byol)
    before = copy_parameters(byol.target)
    for pair in draw_pairs(3):
        take_step(state, engine, pair, learning_rate=0.1, schedule={"tau": 1.0})
    assert all(torch.equal(before[name], value) for name, value in copy_parameters(byol.target).items())
    assert not torch.equal(before["0.0.weight"], byol.online.encoder[0].weight)


def test_the_moving_average_is_of_parameters_by_name_and_by_value() -> None:
    """By hand: 0.75 * 2 + 0.25 * 6 = 3 for the encoder, 0.75 * 2 + 0.25 * 10 = 4 for the projector."""
    byol = build_byol()
    with torch.no_grad():
        for part, value in ((byol.target, 2.0), (byol.online.encoder, 6.0), (byol.online.projector, 10.0)):
            for parameter in part.parameters():
                parameter.fill_(value)
    byol.after_step({"tau": 0.75})
    for part, value in ((byol.target[0], 3.0), (byol.target[1], 4.0), (byol.online.encoder, 6.0)):
        assert torch.cat([tensor.flatten() for tensor in copy_parameters(part).values()]).unique().tolist() == [value]


def test_half_precision_is_the_same_step_but_for_rounding() -> None:
    """bfloat16 keeps eight bits: the loss agrees to a percent, and weights and sums stay float32."""
    losses = []
    for precision in ("float32", "bfloat16"):
        byol = build_byol()
        state, engine = begin_training(make_settings(optimiser=SGD, precision=precision), objective=byol)
        losses.append(float(take_step(state, engine, draw_pairs(1)[0], learning_rate=0.01, schedule={"tau": 0.9})))
        assert all(value.dtype == torch.float32 for value in copy_parameters(byol.online).values())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
