"""The training loop over one typed state, whatever the objective.

Each step: the loss of two views, an optimiser step, and what the objective does after it. Nothing in a step waits for
the device, but for PyTorch's norms over several GPUs.
L numbers a step: the loss and its terms.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim

from components.encoder.build import build_encoder
from components.learning import schedules
from components.learning.device import choose_precision, memory_format
from components.learning.engine import Engine
from components.learning.objective import Feed, Objective, Pair
from components.learning.optimiser import build_optimiser, peak_learning_rate
from components.learning.replicas import Replica, average, synchronise_norms
from components.pretrain.params import Pretrain
from components.stage.errors import RunError


@dataclass
class State:
    """Everything that a training step reads and changes; what is random follows from the step (randomness.py)."""

    objective: Objective
    optimiser: optim.Optimizer
    losses: Tensor  # (steps an epoch, L) of this epoch, over all processes; what is yet to come is 0
    step: int
    steps: int


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch looked like."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's steps
    terms: Mapping[str, float]  # likewise
    learning_rate: float  # of the last step
    schedule: Mapping[str, float]  # the objective's own, of the last step
    gradient_norm: float  # of the last step

    def row(self) -> dict[str, float]:
        """By the names under which they are logged."""
        terms = {f"loss_{name}": value for name, value in self.terms.items()}
        rate = {"learning_rate": self.learning_rate, **self.schedule, "gradient_norm": self.gradient_norm}
        return {"epoch": self.epoch, "loss": self.loss, **terms, **rate}


def begin(params: Pretrain, device: torch.device, replica: Replica, *, steps_per_epoch: int) -> State:
    """The state before the first step, on its device, as params.yaml says."""
    objective = synchronise_norms(build_objective(params), replica, device)
    layout = memory_format(device, choose_precision(params.precision, device))
    return start(objective.to(device).to(memory_format=layout), params, steps_per_epoch=steps_per_epoch)


def build_objective(params: Pretrain) -> Objective:
    """Untrained, on the CPU; the same seed gives the same bits, and the same encoder whatever the objective."""
    torch.manual_seed(params.seed)
    encoder = build_encoder(params.encoder, channels=params.images.channels, side=params.images.side)
    module = importlib.import_module(f"components.{params.objective}.objective")  # by name: the others are no deps
    objective: Objective = module.OBJECTIVE.around(encoder, params)
    return objective


def start(objective: Objective, params: Pretrain, *, steps_per_epoch: int) -> State:
    """The same of an objective that is there."""
    device = next(objective.parameters()).device
    losses = torch.zeros(steps_per_epoch, 1 + len(objective.terms), device=device)
    optimiser = build_optimiser(objective, params.optimiser)
    return State(objective.train(), optimiser, losses, 0, params.epochs * steps_per_epoch)


def remember(state: State) -> dict[str, Any]:
    """The state as plain values and tensors, to be stored."""
    return {
        "objective": state.objective.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "losses": state.losses,
        "step": state.step,
    }


def restore(state: State, remembered: dict[str, Any]) -> None:
    """Put back what `remember` gave, into a state that was started with the same parameters."""
    state.objective.load_state_dict(remembered["objective"])
    state.optimiser.load_state_dict(remembered["optimiser"])
    state.losses.copy_(remembered["losses"])
    state.step = remembered["step"]


def train_step(
    state: State, engine: Engine, pair: Pair, *, learning_rate: float, schedule: Mapping[str, float]
) -> Tensor:
    """One step; returns the loss and its terms (L,) without waiting for the device."""
    loss = state.objective.loss(pair, engine)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate
    state.optimiser.zero_grad(set_to_none=True)
    loss.total.backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    state.objective.after_step(schedule)
    state.step += 1
    return torch.stack([loss.total, *(loss.terms[name] for name in state.objective.terms)]).detach()


def train(
    state: State,
    engine: Engine,
    feed: Feed,
    params: Pretrain,
    *,
    on_step: Callable[[State], None],
    on_epoch: Callable[[State, EpochRecord], None],
) -> None:
    """Run the state from wherever it is to its last step."""
    own, epoch = params.optimiser, feed.steps_per_epoch
    warmup = round(own.warmup_epochs * epoch)
    peak = peak_learning_rate(own, params.batch_size)
    while state.step < state.steps:
        for pair in feed.pairs(state.step):
            rate = schedules.learning_rate(
                state.step, state.steps, base=peak, warmup=warmup, decay=own.decay, epoch=epoch
            )
            schedule = state.objective.schedule(state.step, state.steps)
            place = state.step % epoch
            state.losses[place] = average(train_step(state, engine, pair, learning_rate=rate, schedule=schedule))
            if state.step % epoch:
                on_step(state)
        on_epoch(state, finish_epoch(state, rate, schedule))
        state.losses.zero_()
        on_step(state)


def finish_epoch(state: State, rate: float, schedule: Mapping[str, float]) -> EpochRecord:
    """What the epoch that has just ended looked like; waits for the device. Raises RunError for a loss gone astray."""
    check_losses(state)
    gradients = [p.grad for p in state.objective.parameters() if p.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients))
    loss, *terms = (float(one.mean()) for one in state.losses.unbind(1))
    named = dict(zip(state.objective.terms, terms, strict=True))
    return EpochRecord(state.step // len(state.losses), loss, named, rate, schedule, norm)


def check_losses(state: State) -> None:
    """Raises RunError where a loss of this epoch is not finite; waits for the device."""
    if not bool(state.losses.isfinite().all()):
        raise RunError(
            f"the loss is not finite after step {state.step}: lower pretrain.optimiser.learning_rate, raise "
            "pretrain.optimiser.warmup_epochs, or look for broken images"
        )
