"""The training loop over one typed state, for every objective.

A step (step.py) gets its images and numbers from the feed, and its rates from schedules. Nothing in the loop waits for
the device before the end of an epoch, except PyTorch's norms over several GPUs.
L numbers per step: the loss and its terms.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, optim

from components.encoder.build import build_encoder
from components.learning import schedules
from components.learning.anchor import anchor_weights
from components.learning.device import choose_precision, place_network
from components.learning.engine import Engine, start_engine
from components.learning.holding import hold_encoder, hold_still
from components.learning.objective import Feed, Objective
from components.learning.optimiser import build_optimiser, compute_factors, scale_learning_rate
from components.learning.randomness import NETWORK, derive_seed
from components.learning.replicas import Replica, average_over_processes, synchronise_norms
from components.pretrain.memory import explain_lack
from components.pretrain.network import hold_fixed, leave_out_unused
from components.pretrain.params import Pretrain
from components.pretrain.step import choose_step
from components.stage.errors import RunError


@dataclass
class State:
    """Everything that a training step reads and changes; random numbers follow from the step (randomness.py)."""

    objective: Objective
    optimiser: optim.Optimizer
    losses: Tensor  # (steps per epoch, L) of this epoch, averaged over all processes; 0 for steps yet to come
    step: int  # steps taken
    steps: int  # of the whole run


@dataclass(frozen=True)
class EpochRecord:
    """The numbers of one epoch."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's steps
    terms: Mapping[str, float]  # means over the epoch's steps
    learning_rate: float  # of the last step
    schedule: Mapping[str, float]  # the objective's own, of the last step
    gradient_norm: float  # of the last step

    def to_row(self) -> dict[str, float]:
        """Return the numbers by the names under which they are logged."""
        terms = {f"loss_{name}": value for name, value in self.terms.items()}
        rate = {"learning_rate": self.learning_rate, **self.schedule, "gradient_norm": self.gradient_norm}
        return {"epoch": self.epoch, "loss": self.loss, **terms, **rate}


def build_state(
    params: Pretrain,
    device: torch.device,
    replica: Replica,
    *,
    steps_per_epoch: int,
    start: Mapping[str, Tensor] | None = None,
) -> State:
    """Build the objective on the device and return the state before the first step."""
    objective = synchronise_norms(build_objective(params, start), replica, device)
    placed = place_network(objective, device, choose_precision(params.precision, device))
    return start_state(placed, params, steps_per_epoch=steps_per_epoch)


def build_objective(params: Pretrain, start: Mapping[str, Tensor] | None = None) -> Objective:
    """Build the untrained objective on the CPU; the encoder's bits depend on the seed and not on the objective.

    The other networks get the same bits whatever the encoder starts with.
    """
    return load_objective(params.objective).build_around(build_first_encoder(params, start), params)


def build_first_encoder(params: Pretrain, start: Mapping[str, Tensor] | None) -> nn.Module:
    """Build the encoder as it is before the first step: what the start does not bring is drawn by the seed."""
    torch.manual_seed(params.seed)
    encoder = build_encoder(params.encoder, channels=params.images.channels, side=params.images.side)
    if start:
        encoder.load_state_dict(start, strict=False)
    hold_fixed(encoder, params.encoder)
    leave_out_unused(encoder, params.encoder, params.images)
    return encoder


def check_learning(params: Pretrain) -> None:
    """Check, before any work, that something is left to learn. Raises InputError if not."""
    if params.continuing.frozen_layers or params.continuing.head_epochs:
        hold_still(build_objective(params), params.continuing)


def load_objective(name: str) -> type[Objective]:
    """Import the objective that params.yaml names; by name, so that an edit of another one makes nothing stale."""
    objective: type[Objective] = importlib.import_module(f"components.{name}.objective").OBJECTIVE
    return objective


def start_state(objective: Objective, params: Pretrain, *, steps_per_epoch: int) -> State:
    """Return the state before the first step of an objective that lies on its device."""
    device = next(objective.parameters()).device
    losses = torch.zeros(steps_per_epoch, 1 + len(objective.terms), device=device)
    continuing = params.continuing
    hold_still(objective, continuing)
    factors = compute_factors(objective.encoder, continuing)
    optimiser = build_optimiser(objective, params.optimiser, factors)
    if continuing.anchor:
        anchor_weights(objective.encoder, optimiser, continuing.anchor)
    return State(objective.train(), optimiser, losses, 0, params.epochs * steps_per_epoch)


def remember(state: State) -> dict[str, Any]:
    """Return the state as plain values and tensors that can be stored."""
    return {
        "objective": state.objective.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "losses": state.losses,
        "step": state.step,
    }


def restore(state: State, remembered: dict[str, Any]) -> None:
    """Put what `remember` returned back into a state that was built with the same parameters."""
    state.objective.load_state_dict(remembered["objective"])
    state.optimiser.load_state_dict(remembered["optimiser"])
    state.losses.copy_(remembered["losses"])
    state.step = remembered["step"]


def train(
    state: State,
    engine: Engine,
    feed: Feed,
    params: Pretrain,
    *,
    on_step: Callable[[State], None],
    on_epoch: Callable[[State, EpochRecord], None],
) -> None:
    """Train from the state's step to its last step, in the first epochs perhaps the heads alone.

    These have an engine of their own, as what has no gradient is averaged, compiled and recorded otherwise.
    """
    go_on = partial(train_until, state=state, feed=feed, params=params, on_step=on_step, on_epoch=on_epoch)
    heads = params.continuing.head_epochs * feed.steps_per_epoch
    if state.step < heads:
        with hold_encoder(state.objective):
            networks = state.objective.networks
            go_on(heads, engine=start_engine(networks, params, engine.device, engine.replica, engine.way))
    go_on(state.steps, engine=engine)


def train_until(
    end: int,
    *,
    state: State,
    engine: Engine,
    feed: Feed,
    params: Pretrain,
    on_step: Callable[[State], None],
    on_epoch: Callable[[State, EpochRecord], None],
) -> None:
    """Train whole epochs from the state's step to the step `end`."""
    optimiser, epoch = params.optimiser, feed.steps_per_epoch
    run_step = choose_step(state.objective, state.optimiser, feed.maker, engine)
    warmup = round(optimiser.warmup_epochs * epoch)
    peak = scale_learning_rate(optimiser, params.batch_size)
    while state.step < end:
        for batch in feed.batches(state.step):
            rate = schedules.learning_rate(
                state.step, state.steps, base=peak, warmup=warmup, decay=optimiser.decay, epoch=epoch
            )
            schedule = state.objective.schedule(state.step, state.steps)
            place = state.step % epoch
            torch.manual_seed(derive_seed(params.seed, NETWORK, state.step, engine.replica.rank))  # of dropout
            with explain_lack(params, engine.replica.world):
                losses = run_step(batch, feed.maker.draw(state.step), rate, schedule)
            state.losses[place] = average_over_processes(losses)
            state.step += 1
            if state.step % epoch:
                on_step(state)
        on_epoch(state, finish_epoch(state, rate, schedule))
        state.losses.zero_()
        on_step(state)


def finish_epoch(state: State, rate: float, schedule: Mapping[str, float]) -> EpochRecord:
    """Return the record of the epoch just ended; wait for the device. Raises RunError for numbers that are not
    finite."""
    check_finite(state)
    gradients = [p.grad for p in state.objective.parameters() if p.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients))
    loss, *terms = (float(losses.mean()) for losses in state.losses.unbind(1))
    named = dict(zip(state.objective.terms, terms, strict=True))
    return EpochRecord(state.step // len(state.losses), loss, named, rate, schedule, norm)


def check_finite(state: State) -> None:
    """Check that all losses of this epoch and the networks are finite; wait for the device. Raises RunError if not.

    The last step may have broken the weights after its loss was computed.
    """
    networks = torch.stack([tensor.isfinite().all() for tensor in state.objective.state_dict().values()])
    for what, finite in (("loss is", state.losses.isfinite().all()), ("weights are", networks.all())):
        if not bool(finite):
            raise RunError(
                f"the {what} not finite after step {state.step}: lower pretrain.optimiser.learning_rate, raise "
                "pretrain.optimiser.warmup_epochs, or look for broken images"
            )
