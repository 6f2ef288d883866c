"""The training loop: its schedules and epochs, what stops it, and how it goes on after an interruption."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from components.encoder.params import Images, TinyResNet
from components.learning.device import choose_memory_format
from components.learning.objective import Batch
from components.learning.params import Optimiser, View, Views
from components.learning.replicas import Replica
from components.pretrain.feeds.maker import BatchedMaker
from components.pretrain.feeds.resident import ResidentFeed
from components.pretrain.loop import EpochRecord, State, check_finite, remember, restore, train
from components.stage.errors import RunError
from tests.pretrain.tiny import (
    ADAMW,
    CPU,
    LARS,
    SGD,
    PretrainWith,
    SameViews,
    begin_training,
    build_byol,
    copy_parameters,
    draw_pairs,
)

NARROW = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)


class FixedFeed:
    """A feed of the same two batches every epoch, in the same order."""

    steps_per_epoch = 2
    maker = SameViews()

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches from this step to the end of its epoch."""
        yield from draw_pairs(2)[step % 2 :]


@pytest.fixture
def run(pretrain_with: PretrainWith) -> Callable[..., tuple[State, list[EpochRecord]]]:
    """Return `run(optimiser, epochs=2)`, a whole run; at its batch size of 256 the rate is the stated one."""

    def run_training(optimiser: Optimiser, *, epochs: int) -> tuple[State, list[EpochRecord]]:
        params = pretrain_with(optimiser=optimiser, epochs=epochs, tau_base=0.9, batch_size=256)
        state, engine = begin_training(params, steps_per_epoch=2)
        records: list[EpochRecord] = []
        on_epoch = lambda state, record: records.append(record)  # noqa: E731
        train(state, engine, FixedFeed(), params, on_step=lambda state: None, on_epoch=on_epoch)
        return state, records

    return run_training


Run = Callable[..., tuple[State, list[EpochRecord]]]


def test_a_run_ends_at_its_last_step_and_reports_every_epoch(run: Run) -> None:
    """Of 4 steps 2 warm up: rates 0, 0.005, 0.01, 0.005. At steps 1 and 3 tau's cosine is at 45 and 135 degrees."""
    state, records = run(ADAMW, epochs=2)
    assert state.step == 4
    assert [record.epoch for record in records] == [1, 2]
    assert [record.learning_rate for record in records] == pytest.approx([0.005, 0.005])
    assert [record.schedule["tau"] for record in records] == pytest.approx([1 - 0.1 * 0.8535534, 1 - 0.1 * 0.1464466])
    assert all(0 <= record.loss <= 8 for record in records)


def test_the_rate_of_the_schedule_reaches_the_optimiser(pretrain_with: PretrainWith) -> None:
    """At the first step of the warm-up the rate is 0: nothing moves."""

    class OneBatch(FixedFeed):
        steps_per_epoch = 1

        def batches(self, step: int) -> Iterator[Batch]:
            yield draw_pairs(1)[0]

    params = pretrain_with(optimiser=ADAMW, epochs=1)
    state, engine = begin_training(params)
    before = copy_parameters(state.objective)
    train(state, engine, OneBatch(), params, on_step=lambda state: None, on_epoch=lambda state, record: None)
    assert all(torch.equal(before[name], value) for name, value in copy_parameters(state.objective).items())


def test_training_brings_the_predictions_nearer_to_the_targets(run: Run) -> None:
    _, records = run(ADAMW.model_copy(update={"learning_rate": 0.003}), epochs=12)
    assert records[-1].loss < 0.7 * records[0].loss


def test_a_diverged_run_stops_with_one_line_that_names_what_to_change(run: Run) -> None:
    wild = SGD.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(RunError, match=r"^the loss is not finite after step \d+: .*learning_rate.*$") as caught:
        run(wild, epochs=4)
    assert "\n" not in str(caught.value)


def test_weights_that_the_last_step_broke_are_said_though_its_loss_was_finite(pretrain_with: PretrainWith) -> None:
    """They would be exported as an encoder, or saved as a checkpoint that every later attempt goes on from."""
    state, _ = begin_training(pretrain_with(optimiser=SGD, epochs=1))
    check_finite(state)
    with torch.no_grad():
        next(state.objective.parameters()).fill_(torch.inf)
    with pytest.raises(RunError, match="the weights are not finite after step 0: lower pretrain"):
        check_finite(state)


def test_a_broken_image_is_not_trained_on_silently(pretrain_with: PretrainWith) -> None:
    class BrokenFeed(FixedFeed):
        def batches(self, step: int) -> Iterator[Batch]:
            first, second = draw_pairs(2)
            yield first
            yield second[0] * torch.nan, second[1]

    params = pretrain_with(optimiser=SGD, epochs=2)
    state, engine = begin_training(params, steps_per_epoch=2)
    records: list[EpochRecord] = []
    with pytest.raises(RunError, match="not finite after step 2"):
        train(
            state,
            engine,
            BrokenFeed(),
            params,
            on_step=lambda state: None,
            on_epoch=lambda state, record: records.append(record),
        )
    assert not records


def test_the_gradient_norm_of_an_epoch_is_that_of_all_parameters_together(run: Run) -> None:
    state, records = run(SGD, epochs=1)
    squares = sum(float((p.grad.double() ** 2).sum()) for p in state.objective.parameters() if p.grad is not None)
    assert records[-1].gradient_norm == pytest.approx(squares**0.5, rel=1e-5)


MakeFeed = Callable[[int], ResidentFeed]


@pytest.fixture
def make_feed(view_with: Callable[..., View]) -> MakeFeed:
    """Return a maker of feeds of 14 images in batches of 6, whose views turn, jitter and are noisy."""
    view = view_with(rotate=15.0, shift=0.1, jitter=1.0, contrast=0.4, noise=0.05)
    images = torch.randint(0, 256, (14, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    params = Images(side=8, read_side=8, range=None, colours=None, mean=(0.5,), std=(0.3,))
    both, alone = Views(online=2, first=view, second=view, target=None), Replica(0, 1)
    return lambda seed: ResidentFeed(
        images, BatchedMaker(both, params, seed=seed, batch_size=6, replica=alone, device=CPU)
    )


def collect_tensors(state: State) -> dict[str, Tensor]:
    """Collect all tensors that a later step reads."""
    networks = state.objective.state_dict()
    buffers = state.optimiser.state_dict()["state"]
    kept = {f"{n}.{name}": t for n, slots in buffers.items() for name, t in slots.items() if isinstance(t, Tensor)}
    return networks | kept


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bits(precision: str, pretrain_with: PretrainWith, make_feed: MakeFeed) -> None:
    """Layers this narrow show a layout for which oneDNN writes beyond its buffers (channels last; see device.py)."""
    params = pretrain_with(optimiser=ADAMW, epochs=3, tau_base=0.9, batch_size=6, precision=precision)
    layout = choose_memory_format(CPU, getattr(torch, precision))

    def train_with(seed: int) -> dict[str, Tensor]:
        byol = build_byol(seed, NARROW).to(memory_format=layout)
        state, engine = begin_training(params, steps_per_epoch=2, objective=byol)
        train(state, engine, make_feed(seed), params, on_step=lambda _: None, on_epoch=lambda *_: None)
        return collect_tensors(state)

    first, repeat, reseeded = train_with(7), train_with(7), train_with(8)
    assert all(torch.equal(first[name], repeat[name]) for name in first)
    assert not torch.equal(first["online.encoder.0.weight"], reseeded["online.encoder.0.weight"])


class KilledError(Exception):
    """Stands for a signal that no process can catch."""


CAREFUL = {"layer_decay": 0.5, "frozen_layers": 1, "norms": "frozen", "anchor": 0.5, "head_epochs": 1}


@pytest.mark.parametrize("care", [{}, CAREFUL], ids=["careless", "careful"])
@pytest.mark.parametrize("optimiser", [SGD, ADAMW, LARS], ids=lambda params: params.name)
@pytest.mark.parametrize("killed_at", [1, 2, 3, 5])
def test_a_run_that_goes_on_from_any_step_ends_with_the_same_bits(
    killed_at: int, optimiser: Optimiser, care: dict[str, Any], pretrain_with: PretrainWith, make_feed: MakeFeed
) -> None:
    """A run has three epochs of two steps. The state is stored and read as in a checkpoint: without unpickling code.

    With care the heads learn alone in the first of them, and the encoder is drawn to what it was at the very beginning.
    """
    params = pretrain_with(optimiser=optimiser, epochs=3, tau_base=0.9, batch_size=6)
    params = params.model_copy(update={"continuing": params.continuing.model_copy(update=care)})

    def train_to_the_end(on_step: Callable[[State], None], remembered: bytes = b"") -> tuple[State, list[EpochRecord]]:
        state, engine = begin_training(params, steps_per_epoch=2)
        if remembered:
            restore(state, torch.load(io.BytesIO(remembered), weights_only=True))
        records: list[EpochRecord] = []
        train(state, engine, make_feed(0), params, on_step=on_step, on_epoch=lambda _, record: records.append(record))
        return state, records

    uninterrupted, all_records = train_to_the_end(lambda state: None)
    stored = io.BytesIO()

    def kill(state: State) -> None:
        if state.step == killed_at:
            torch.save(remember(state), stored)
            raise KilledError

    with pytest.raises(KilledError):
        train_to_the_end(kill)
    resumed, records = train_to_the_end(lambda state: None, stored.getvalue())
    expected, tensors = collect_tensors(uninterrupted), collect_tensors(resumed)
    assert expected.keys() == tensors.keys()
    for name, value in expected.items():
        assert torch.equal(tensors[name], value), name
    assert records == all_records[-len(records) :], "the epoch that was cut in two is reported as if it had not been"
    assert resumed.step == 6
