"""Training steps against BYOL written out once more: plain formulas in float64 over a dictionary of tensors."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.byol.device import memory_format
from components.byol.feed import Pair, ResidentFeed
from components.byol.network import Online, build_online
from components.byol.train import EpochRecord, State, start, train, train_step, update_target
from components.params.base import RunError
from components.params.pretrain import Head, Images, Optimiser, TinyResNet, View, Views

TINY = TinyResNet(name="tiny_resnet", widths=(8, 16), blocks=1)
NARROW = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)
HEAD = Head(hidden=8, out=4)
MOMENTUM, DECAY = 0.9, 0.01
SGD = Optimiser(name="sgd", learning_rate=0.1, momentum=MOMENTUM, weight_decay=DECAY, warmup_epochs=0.0)
ADAMW = Optimiser(name="adamw", learning_rate=0.01, momentum=0.9, weight_decay=DECAY, warmup_epochs=1.0)


def build(seed: int = 0, encoder: TinyResNet = TINY) -> Online:
    return build_online(encoder, HEAD, channels=1, side=8, seed=seed)


def pairs(count: int, *, batch: int = 6, dtype: torch.dtype = torch.float32) -> list[Pair]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
        )
        for _ in range(count)
    ]


def parameters(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}


class Reference:
    """One network by formulas: `values` its parameters, `running` its BatchNorm statistics; names as in the modules."""

    def __init__(self, network: nn.Module) -> None:
        self.values = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
        self.running = {name: tensor.clone() for name, tensor in network.named_buffers() if "num_batches" not in name}

    def norm(self, x: Tensor, at: str) -> Tensor:
        """(x - mean) / sqrt(var + eps) over this batch; running values keep nine tenths of what they were."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = x.numel() // x.shape[1]
        mean = x.mean(axes)
        var = ((x - mean.reshape(shape)) ** 2).mean(axes)
        for name, new in (("mean", mean), ("var", var * count / (count - 1))):
            self.running[f"{at}.running_{name}"] = 0.9 * self.running[f"{at}.running_{name}"] + 0.1 * new.detach()
        scaled = (x - mean.reshape(shape)) / (var.reshape(shape) + 1e-5).sqrt()
        return scaled * self.values[f"{at}.weight"].reshape(shape) + self.values[f"{at}.bias"].reshape(shape)

    def conv(self, x: Tensor, at: str, *, stride: int = 1) -> Tensor:
        """Padded so that stride 1 keeps the side."""
        weight = self.values[f"{at}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def block(self, x: Tensor, at: str, *, stride: int, shortcut: bool) -> Tensor:
        """He et al.'s basic block."""
        inner = self.norm(self.conv(x, f"{at}.conv1", stride=stride), f"{at}.bn1").clamp(min=0)
        inner = self.norm(self.conv(inner, f"{at}.conv2"), f"{at}.bn2")
        if shortcut:
            x = self.norm(self.conv(x, f"{at}.downsample.0", stride=stride), f"{at}.downsample.1")
        return (inner + x).clamp(min=0)

    def encode(self, x: Tensor, at: str) -> Tensor:
        """(B, C, S, S) -> (B, D)."""
        x = self.norm(self.conv(x, f"{at}.0"), f"{at}.1").clamp(min=0)
        x = self.block(x, f"{at}.3", stride=1, shortcut=False)
        x = self.block(x, f"{at}.4", stride=2, shortcut=True)
        return x.mean((2, 3))

    def head(self, x: Tensor, at: str) -> Tensor:
        """Projector or predictor."""
        hidden = x @ self.values[f"{at}.0.weight"].T + self.values[f"{at}.0.bias"]
        return self.norm(hidden, f"{at}.1").clamp(min=0) @ self.values[f"{at}.3.weight"].T


def distance(p: Tensor, z: Tensor) -> Tensor:
    p, z = p / (p**2).sum(1, keepdim=True).sqrt(), z / (z**2).sum(1, keepdim=True).sqrt()
    return ((p - z) ** 2).sum(1).mean()


class ReferenceByol:
    """Algorithm 1 of the paper with SGD. The target's names are those of a pair: encoder 0, projector 1."""

    def __init__(self, online: Online) -> None:
        self.online = Reference(online)
        self.target = Reference(copy.deepcopy(nn.Sequential(online.encoder, online.projector)))
        self.velocity = {name: torch.zeros_like(value) for name, value in self.online.values.items()}

    def step(self, pair: Pair, *, rate: float, tau: float) -> float:
        """Predict, descend, follow; the loss of before the step."""
        online, target = self.online, self.target
        online.values = {name: value.requires_grad_() for name, value in online.values.items()}
        p0, p1 = (online.head(online.head(online.encode(view, "encoder"), "projector"), "predictor") for view in pair)
        with torch.no_grad():
            z0, z1 = (target.head(target.encode(view, "0"), "1") for view in pair)
        loss = distance(p0, z1) + distance(p1, z0)
        gradients = torch.autograd.grad(loss, list(online.values.values()))
        for (name, value), gradient in zip(list(online.values.items()), gradients, strict=True):
            decayed = gradient + (DECAY * value.detach() if value.ndim > 1 else 0)
            self.velocity[name] = MOMENTUM * self.velocity[name] + decayed
            online.values[name] = value.detach() - rate * self.velocity[name]
        for name, value in target.values.items():
            part, rest = name.split(".", 1)
            source = online.values[f"{'encoder' if part == '0' else 'projector'}.{rest}"]
            target.values[name] = tau * value + (1 - tau) * source
        return loss.item()


@pytest.fixture
def stepped() -> tuple[State, ReferenceByol, list[tuple[float, float]]]:
    """Three steps of both, with a rate and a tau that change, and both losses of every step."""
    online = build().double()
    reference = ReferenceByol(online)
    state = start(online, SGD, steps=3)
    losses = []
    settings = [(0.1, 0.9), (0.05, 0.5), (0.2, 0.99)]
    for pair, (rate, tau) in zip(pairs(3, dtype=torch.float64), settings, strict=True):
        by_state = float(train_step(state, pair, learning_rate=rate, tau=tau))
        losses.append((by_state, reference.step(pair, rate=rate, tau=tau)))
    return state, reference, losses


Stepped = tuple[State, ReferenceByol, list[tuple[float, float]]]


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: name + text)


def test_the_loss_of_every_step_is_that_of_the_paper(stepped: Stepped) -> None:
    for found, expected in stepped[2]:
        assert found == pytest.approx(expected, rel=1e-10)


def test_the_online_network_learns_as_the_paper_says(stepped: Stepped) -> None:
    state, reference, _ = stepped
    assert_same(parameters(state.online), reference.online.values)


def test_the_target_follows_the_online_network_of_after_the_step(stepped: Stepped) -> None:
    state, reference, _ = stepped
    assert_same(parameters(state.target), reference.target.values)


def test_both_networks_keep_running_statistics_of_their_own_batches(stepped: Stepped) -> None:
    """Statistics copied or averaged from the online network would not fit the target's weights."""
    state, reference, _ = stepped
    for network, expected in ((state.online, reference.online.running), (state.target, reference.target.running)):
        found = {name: value for name, value in network.named_buffers() if "num_batches" not in name}
        assert_same(found, expected)
    of_online = dict(state.online.encoder.named_buffers())["1.running_mean"]
    assert not torch.allclose(of_online, dict(state.target.named_buffers())["0.1.running_mean"])


def test_the_target_begins_as_a_copy_that_shares_no_memory() -> None:
    online = build()
    state = start(online, SGD, steps=1)
    copied = nn.Sequential(online.encoder, online.projector)
    assert_same(state.target.state_dict(), copied.state_dict())
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(1)
    first = next(iter(state.target.parameters()))
    assert not torch.equal(first, next(iter(online.encoder.parameters())))


def test_the_target_learns_by_no_gradient_and_normalises_with_its_own_batch() -> None:
    state = start(build().eval(), SGD, steps=1)
    assert all(module.training for module in state.target.modules())
    assert all(module.training for module in state.online.modules())
    train_step(state, pairs(1)[0], learning_rate=0.1, tau=0.9)
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in state.target.parameters())
    optimised = {id(parameter) for group in state.optimiser.param_groups for parameter in group["params"]}
    assert not optimised & {id(parameter) for parameter in state.target.parameters()}
    assert all(module.training for module in state.target.modules())


def test_every_view_is_a_batch_of_its_own() -> None:
    """Joined views share the statistics of BatchNorm, and the task becomes another one."""
    state = start(build(), SGD, steps=3)
    for done, pair in enumerate(pairs(3), start=1):
        train_step(state, pair, learning_rate=0.1, tau=0.9)
        for network in (state.online, state.target):
            counts = {int(value) for name, value in network.named_buffers() if "num_batches" in name}
            assert counts == {2 * done}
        assert state.step == done


def test_tau_zero_makes_the_target_the_online_network_that_the_step_has_left() -> None:
    online = build()
    state = start(online, SGD, steps=1)
    before = parameters(online)
    train_step(state, pairs(1)[0], learning_rate=0.1, tau=0.0)
    after = parameters(nn.Sequential(online.encoder, online.projector))
    for name, value in parameters(state.target).items():
        assert torch.equal(value, after[name])
    assert any(not torch.equal(before[name], value) for name, value in parameters(online).items())


def test_tau_one_leaves_the_target_where_it_began() -> None:
    state = start(build(), SGD, steps=3)
    before = parameters(state.target)
    for pair in pairs(3):
        train_step(state, pair, learning_rate=0.1, tau=1.0)
    assert all(torch.equal(before[name], value) for name, value in parameters(state.target).items())
    assert not torch.equal(before["0.0.weight"], state.online.encoder[0].weight)


def test_the_moving_average_is_of_parameters_by_name_and_by_value() -> None:
    """By hand: 0.75 * 2 + 0.25 * 6 = 3 for the encoder, 0.75 * 2 + 0.25 * 10 = 4 for the projector."""
    state = start(build(), SGD, steps=1)
    with torch.no_grad():
        for part, value in ((state.target, 2.0), (state.online.encoder, 6.0), (state.online.projector, 10.0)):
            for parameter in part.parameters():
                parameter.fill_(value)
    update_target(state, 0.75)
    for part, value in ((state.target[0], 3.0), (state.target[1], 4.0), (state.online.encoder, 6.0)):
        assert torch.cat([tensor.flatten() for tensor in parameters(part).values()]).unique().tolist() == [value]


class FixedFeed:
    """The same two batches every epoch."""

    steps_per_epoch, batch_size = 2, 6

    def epoch(self) -> Iterator[Pair]:
        """In the same order."""
        yield from pairs(2)


def run(optimiser: Optimiser, *, epochs: int, tau_base: float = 0.9) -> tuple[State, list[EpochRecord]]:
    state = start(build(), optimiser, steps=epochs * FixedFeed.steps_per_epoch)
    records: list[EpochRecord] = []
    train(state, FixedFeed(), optimiser=optimiser, tau_base=tau_base, on_epoch=records.append)
    return state, records


def test_a_run_ends_at_its_last_step_and_reports_every_epoch() -> None:
    """4 steps, 2 of them warm-up. Rates 0, 0.005, 0.01, 0.005; tau at steps 1 and 3 of 4: 45 and 135 degrees."""
    state, records = run(ADAMW, epochs=2)
    assert state.step == 4
    assert [record.epoch for record in records] == [1, 2]
    assert [record.learning_rate for record in records] == pytest.approx([0.005, 0.005])
    assert [record.tau for record in records] == pytest.approx([1 - 0.1 * 0.8535534, 1 - 0.1 * 0.1464466])
    assert all(0 <= record.loss <= 8 for record in records)


def test_the_rate_of_the_schedule_reaches_the_optimiser() -> None:
    """At the first step of the warm-up the rate is 0: nothing moves."""
    one_step = start(build(), ADAMW, steps=1)
    before = parameters(one_step.online)

    class OneBatch(FixedFeed):
        steps_per_epoch = 1

        def epoch(self) -> Iterator[Pair]:
            yield pairs(1)[0]

    train(one_step, OneBatch(), optimiser=ADAMW, tau_base=0.9, on_epoch=lambda record: None)
    assert all(torch.equal(before[name], value) for name, value in parameters(one_step.online).items())


def test_training_brings_the_predictions_nearer_to_the_targets() -> None:
    _, records = run(ADAMW.model_copy(update={"learning_rate": 0.003}), epochs=12)
    assert records[-1].loss < 0.7 * records[0].loss


def test_a_diverged_run_stops_with_one_line_that_names_what_to_change() -> None:
    wild = SGD.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(RunError, match=r"^the loss is (nan|inf) in epoch \d+: .*learning_rate.*$") as caught:
        run(wild, epochs=4)
    assert "\n" not in str(caught.value)


def test_a_broken_image_is_not_trained_on_silently() -> None:
    class BrokenFeed(FixedFeed):
        def epoch(self) -> Iterator[Pair]:
            first, second = pairs(2)
            yield first
            yield second[0] * torch.nan, second[1]

    state = start(build(), SGD, steps=4)
    records: list[EpochRecord] = []
    with pytest.raises(RunError, match="nan in epoch 1"):
        train(state, BrokenFeed(), optimiser=SGD, tau_base=0.9, on_epoch=records.append)
    assert not records


def test_the_same_seed_gives_the_same_bits(view_with: Callable[..., View]) -> None:
    """Layers this narrow show a layout for which oneDNN reads beyond its buffers (its issue 6035: channels last)."""
    cpu = torch.device("cpu")
    view = view_with(rotate=15.0, shift=0.1, jitter=1.0, contrast=0.4, noise=0.05)

    def weights(seed: int) -> dict[str, Tensor]:
        images = torch.randint(0, 256, (14, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        feed = ResidentFeed(
            images,
            batch_size=6,
            views=Views(first=view, second=view),
            params=Images(side=8, mean=(0.5,), std=(0.3,)),
            seed=seed,
            device=cpu,
        )
        online = build(seed, NARROW).to(cpu, memory_format=memory_format(cpu))
        state = start(online, ADAMW, steps=3 * feed.steps_per_epoch)
        train(state, feed, optimiser=ADAMW, tau_base=0.9, on_epoch=lambda record: None)
        return nn.ModuleDict({"online": state.online, "target": state.target}).state_dict()

    once, again, other = weights(7), weights(7), weights(8)
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["online.encoder.0.weight"], other["online.encoder.0.weight"])
