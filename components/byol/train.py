"""The BYOL training loop (arXiv 2006.07733, algorithm 1) over one typed state.

Each step: both views through the online network, both through the target in train mode, as four batches of their own
(joined batches would share BatchNorm statistics); the summed loss; an optimiser step; then the target's parameters
follow by tau. BatchNorm's running statistics are the target's own. B images, P outputs of the projector.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from components.byol import schedules
from components.byol.feed import Feed, Pair
from components.byol.loss import byol_loss
from components.byol.network import Online
from components.byol.optimiser import build_optimiser
from components.params.base import RunError
from components.params.pretrain import Optimiser


@dataclass
class State:
    """Everything that a training step reads and changes; the feed's generators are the feed's."""

    online: Online
    target: nn.Sequential  # encoder and projector, without gradient
    optimiser: optim.Optimizer
    step: int
    steps: int


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch looked like."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's steps, 0..8
    learning_rate: float  # of the last step
    tau: float  # of the last step


def start(online: Online, optimiser: Optimiser, *, steps: int) -> State:
    """The state before the first step: the target begins as a copy of the online encoder and projector."""
    target = copy.deepcopy(nn.Sequential(online.encoder, online.projector)).requires_grad_(False)
    return State(online.train(), target.train(), build_optimiser(online, optimiser), 0, steps)


def train_step(state: State, pair: Pair, *, learning_rate: float, tau: float) -> Tensor:
    """One step; returns the loss () without waiting for the device."""
    first, second = pair
    predictions = state.online(first), state.online(second)  # (B, P) each
    with torch.no_grad():
        targets = state.target(first), state.target(second)  # (B, P) each
    loss = byol_loss(predictions, targets)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    update_target(state, tau)
    state.step += 1
    return loss.detach()


@torch.no_grad()
def update_target(state: State, tau: float) -> None:
    """Target <- tau * target + (1 - tau) * online, over parameters only."""
    target: list[Tensor] = list(state.target.parameters())
    online: list[Tensor] = [*state.online.encoder.parameters(), *state.online.projector.parameters()]
    torch._foreach_lerp_(target, online, 1 - tau)


def train(
    state: State,
    feed: Feed,
    *,
    optimiser: Optimiser,
    tau_base: float,
    on_epoch: Callable[[EpochRecord], None],
) -> None:
    """Run the state to its last step, an epoch of the feed at a time."""
    warmup = round(optimiser.warmup_epochs * feed.steps_per_epoch)
    while state.step < state.steps:
        losses: list[Tensor] = []
        for pair in feed.epoch():
            rate = schedules.learning_rate(state.step, state.steps, base=optimiser.learning_rate, warmup=warmup)
            tau = schedules.tau(state.step, state.steps, base=tau_base)
            losses.append(train_step(state, pair, learning_rate=rate, tau=tau))
        record = EpochRecord(state.step // feed.steps_per_epoch, float(torch.stack(losses).mean()), rate, tau)
        if not torch.isfinite(torch.tensor(record.loss)):
            raise RunError(
                f"the loss is {record.loss} in epoch {record.epoch}: lower pretrain.optimiser.learning_rate "
                f"({optimiser.learning_rate:g}) or raise pretrain.optimiser.warmup_epochs"
            )
        on_epoch(record)
