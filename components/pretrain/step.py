"""A step of training: what it is, and the ways in which it is run.

`train_step` is the definition. A batch may be computed in equal parts, one after another, so that it needs the memory
of one part: their gradients add up to that of the batch's mean loss, and optimiser and objective take one step for all.
A compiler may fuse its views and its loss into fewer kernels, and a CUDA graph may repeat the whole of it without the
host (learning/graph.py); both compute the same but for rounding, and where one of them cannot follow an operation, the
step runs without it, after a line that names the operation.
L numbers per step: the loss and its terms.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, optim
from torch._functorch import config as functorch_config

from components.learning.engine import Engine
from components.learning.graph import WARM_UP, WARM_UP_OF_SEVERAL, RepeatedStep, explain_failure
from components.learning.objective import Batch, Draws, Loss, Number, Objective, ViewMaker
from components.learning.optimiser import set_rate

Part = tuple[Batch, Draws]
ComputeLoss = Callable[[Batch, Draws], Loss]
RunStep = Callable[[Batch, Draws, float, Mapping[str, float]], Tensor]  # ..., learning rate, schedule -> (L,)


def train_step(
    objective: Objective,
    optimiser: optim.Optimizer,
    engine: Engine,
    compute_loss: ComputeLoss,
    parts: list[Part],
    learning_rate: Number,
    schedule: Mapping[str, Number],
) -> Tensor:
    """Take one step; return the means of the loss and its terms, (L,), without waiting for the device."""
    optimiser.zero_grad(set_to_none=True)
    losses = []
    for number, (batch, draws) in enumerate(parts, start=1):
        with nullcontext() if number == len(parts) else engine.add_up_alone():
            loss = compute_loss(batch, draws)
            (loss.total / len(parts)).backward()  # type: ignore[no-untyped-call]
        losses.append(torch.stack([loss.total, *(loss.terms[name] for name in objective.terms)]).detach())
    set_rate(optimiser, learning_rate)
    optimiser.step()
    objective.after_step(schedule)
    return torch.stack(losses).mean(0)


def split_batch(batch: Batch, draws: Draws, maker: ViewMaker, parts: int) -> list[Part]:
    """Split the images of this process, and the numbers that their views are made from, into equal parts."""
    if parts == 1:
        return [(batch, draws)]
    size = len(batch[0]) // parts
    rows = [slice(first, first + size) for first in range(0, parts * size, size)]
    return [(tuple(images[part] for images in batch), maker.select(draws, part)) for part in rows]


def choose_step(objective: Objective, optimiser: optim.Optimizer, maker: ViewMaker, engine: Engine) -> RunStep:
    """Return the step in the engine's way."""
    compute_loss = define_loss(objective, maker, engine)

    def step(batch: Batch, draws: Draws, learning_rate: Number, schedule: Mapping[str, Number]) -> Tensor:
        parts = split_batch(batch, draws, maker, engine.parts)
        return train_step(objective, optimiser, engine, compute_loss, parts, learning_rate, schedule)

    if not engine.way.recorded:
        return step
    return RepeatedStep(
        step,
        on_failure=choose_voice(engine),
        warm_up=WARM_UP if engine.replica.world == 1 else WARM_UP_OF_SEVERAL,
    )


def print_line(line: str) -> None:
    """Print what is worth knowing of how the step runs."""
    print(f"pretrain: {line}", flush=True)


def choose_voice(engine: Engine) -> Callable[[str], None]:
    """Return what prints a line, or, in a process that does not write, what leaves that to the one that does."""
    return print_line if engine.replica.writes else lambda line: None


def define_loss(objective: Objective, maker: ViewMaker, engine: Engine) -> ComputeLoss:
    """Return the loss of a batch as one function of tensors; compiled as a whole if that is the engine's way.

    With several processes only the views are compiled: PyTorch's compiler cannot follow norms over all replicas.
    """
    say = choose_voice(engine)
    if not engine.way.compiled:
        return lambda batch, draws: objective.loss(maker.make(batch, draws), engine)
    if engine.replica.world > 1:
        make = Compiled(maker.make, say)
        return lambda batch, draws: objective.loss(make(batch, draws), engine)
    return Compiled(lambda batch, draws: objective.loss(maker.make(batch, draws), engine), say)


class Compiled:
    """A function that is compiled as one graph for one shape, or runs as it is where the compiler cannot follow it."""

    def __init__(self, plain: Callable[..., Any], say: Callable[[str], None] = print_line) -> None:
        """`say` is given a line on how long compiling took, or why there is none."""
        self.plain, self.call, self.say = plain, torch.compile(plain, fullgraph=True, dynamic=False), say
        self.begun = False

    def __call__(self, *arguments: Any) -> Any:  # noqa: D102
        if self.begun:
            return self.call(*arguments)
        self.begun, began = True, time.monotonic()
        try:
            with functorch_config.patch(force_non_lazy_backward_lowering=True):  # the backward pass here too, not later
                result = self.call(*arguments)
        except Exception as error:  # the compiler's errors have no common type, and the plain call tells the others
            self.call = self.plain
            self.say(f"not compiled, since the compiler failed: {explain_failure(error)}")
            return self.plain(*arguments)
        self.say(f"compiled in {time.monotonic() - began:.0f} s")
        return result
