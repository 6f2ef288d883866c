"""The BYOL training loop (arXiv 2006.07733, algorithm 1) over one typed state.

Each step: both views through the online network, both through the target in train mode, as four batches of their own
(joined batches would share BatchNorm statistics); the summed loss; an optimiser step; then the target's parameters
follow by tau. BatchNorm's running statistics are the target's own. Nothing in a step waits for the device, but for
PyTorch's norms over several GPUs.
B images, P outputs of the projector.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim

from components.byol import schedules
from components.byol.device import memory_format
from components.byol.engine import Engine, precision
from components.byol.feed import Feed, Pair
from components.byol.loss import byol_loss
from components.byol.network import Online, build_online
from components.byol.optimiser import build_optimiser, peak_learning_rate
from components.byol.replicas import Replica, average, synchronise_norms
from components.params.base import RunError
from components.params.pretrain import Pretrain


@dataclass
class State:
    """Everything that a training step reads and changes; what is random follows from the step (randomness.py)."""

    online: Online
    target: nn.Sequential  # encoder and projector, without gradient
    optimiser: optim.Optimizer
    losses: Tensor  # (steps an epoch) of this epoch, over all processes; what is yet to come is 0
    step: int
    steps: int


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch looked like."""

    epoch: int  # from 1
    loss: float  # mean over the epoch's steps, 0..8
    learning_rate: float  # of the last step
    tau: float  # of the last step
    gradient_norm: float  # of the last step


def begin(params: Pretrain, device: torch.device, replica: Replica, *, steps_per_epoch: int) -> State:
    """The state before the first step, on its device, as params.yaml says."""
    shape = {"channels": params.images.channels, "side": params.images.side}
    online = build_online(params.encoder, params.head, **shape, seed=params.seed)
    online = synchronise_norms(online, replica, device)
    layout = memory_format(device, precision(params, device))
    return start(online.to(device).to(memory_format=layout), params, steps_per_epoch=steps_per_epoch)


def start(online: Online, params: Pretrain, *, steps_per_epoch: int) -> State:
    """The same of a network that is there: the target begins as a copy of its encoder and projector."""
    target = copy.deepcopy(nn.Sequential(online.encoder, online.projector)).requires_grad_(False)
    losses = torch.zeros(steps_per_epoch, device=next(online.parameters()).device)
    optimiser = build_optimiser(online, params.optimiser)
    return State(online.train(), target.train(), optimiser, losses, 0, params.epochs * steps_per_epoch)


def remember(state: State) -> dict[str, Any]:
    """The state as plain values and tensors, to be stored."""
    return {
        "online": state.online.state_dict(),
        "target": state.target.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "losses": state.losses,
        "step": state.step,
    }


def restore(state: State, remembered: dict[str, Any]) -> None:
    """Put back what `remember` gave, into a state that was started with the same parameters."""
    state.online.load_state_dict(remembered["online"])
    state.target.load_state_dict(remembered["target"])
    state.optimiser.load_state_dict(remembered["optimiser"])
    state.losses.copy_(remembered["losses"])
    state.step = remembered["step"]


def train_step(state: State, engine: Engine, pair: Pair, *, learning_rate: float, tau: float) -> Tensor:
    """One step; returns the loss () without waiting for the device."""
    first, second = pair
    with engine.autocast():
        predictions = engine.predict(first), engine.predict(second)  # (B, P) each
        with torch.no_grad():
            targets = engine.project(first), engine.project(second)  # (B, P) each
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
    engine: Engine,
    feed: Feed,
    params: Pretrain,
    *,
    on_step: Callable[[State], None],
    on_epoch: Callable[[State, EpochRecord], None],
) -> None:
    """Run the state from wherever it is to its last step."""
    warmup = round(params.optimiser.warmup_epochs * feed.steps_per_epoch)
    peak = peak_learning_rate(params.optimiser, params.batch_size)
    while state.step < state.steps:
        for pair in feed.pairs(state.step):
            rate = schedules.learning_rate(state.step, state.steps, base=peak, warmup=warmup)
            tau = schedules.tau(state.step, state.steps, base=params.tau_base)
            place = state.step % feed.steps_per_epoch
            state.losses[place] = average(train_step(state, engine, pair, learning_rate=rate, tau=tau))
            if state.step % feed.steps_per_epoch:
                on_step(state)
        on_epoch(state, finish_epoch(state, feed.steps_per_epoch, rate, tau))
        state.losses.zero_()
        on_step(state)


def finish_epoch(state: State, steps: int, rate: float, tau: float) -> EpochRecord:
    """What the epoch that has just ended looked like; waits for the device. Raises RunError for a loss gone astray."""
    check_losses(state)
    gradients = [p.grad for p in state.online.parameters() if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients))
    return EpochRecord(state.step // steps, float(state.losses.mean()), rate, tau, norm)


def check_losses(state: State) -> None:
    """Raises RunError where a loss of this epoch is not finite; waits for the device."""
    if not bool(state.losses.isfinite().all()):
        raise RunError(
            f"the loss is not finite after step {state.step}: lower pretrain.optimiser.learning_rate, raise "
            "pretrain.optimiser.warmup_epochs, or look for broken images"
        )
