"""A program for torchrun: each process trains the tiny networks on its rows of every batch and saves the outcome."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from components.learning import replicas
from components.learning.engine import start_engine
from components.learning.objective import Batch, Objective
from components.learning.replicas import Replica
from components.pretrain.loop import start_state, train
from components.pretrain.params import Pretrain
from components.stage.command import read_params
from tests.pretrain.tiny import CPU, SGD, SameViews, build_article, build_byol, copy_parameters, draw_pairs, take_step

BATCH, STEPS, PARTS = 8, 3, (1, 2)
DTYPE = torch.float64  # norms over two images blow up what float32 rounds
BUILDERS = {"byol": build_byol, "article": build_article}


def main(folder: Path) -> None:
    section: Pretrain = read_params(Path("params.yaml")).pretrain
    params = section.model_copy(update={"optimiser": SGD, "batch_size": BATCH})
    torch.set_num_threads(1)
    replica = replicas.join_processes(BATCH, CPU)
    content: dict[str, Any] = {"agreed": [replicas.broadcast_value(replica.rank == rank) for rank in (0, 1)]}
    for name, build in BUILDERS.items():
        for parts in PARTS:
            in_parts = params.model_copy(update={"accumulate": parts})
            content[f"{name} in {parts}"] = train_some_steps(build().to(DTYPE), in_parts, replica)
    content["heads first"] = train_heads_first(params, replica)
    torch.save(content, folder / f"{replica.rank}.pt")
    replicas.leave_processes()


def train_some_steps(objective: Objective, params: Pretrain, replica: Replica) -> dict[str, Any]:
    """Train for STEPS steps on this process's rows; return the objective's state and the averaged losses.

    `exchanged` has, for each run of the first network, whether its gradients would be exchanged.
    """
    rows = replica.slice_batch(BATCH)
    state = start_state(replicas.synchronise_norms(objective, replica, CPU), params, steps_per_epoch=STEPS)
    engine = start_engine(state.objective.networks, params, CPU, replica)
    exchanged: list[bool] = []
    learning = next(iter(engine.networks.values()))
    assert isinstance(learning, DistributedDataParallel)
    learning.register_forward_pre_hook(lambda *_: exchanged.append(learning.require_backward_grad_sync))
    for number, (first, second) in enumerate(draw_pairs(STEPS, batch=BATCH, dtype=DTYPE)):
        views = first[rows], second[rows]
        state.losses[number] = take_step(state, engine, views, learning_rate=0.1, schedule={"tau": 0.9})
    losses = replicas.average_over_processes(state.losses)
    return {"objective": state.objective.state_dict(), "losses": losses, "exchanged": exchanged}


class PairFeed:
    """A feed of the same batches every epoch, of this process's rows."""

    steps_per_epoch = STEPS
    maker = SameViews()

    def __init__(self, rows: slice) -> None:
        self.rows = rows

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        yield from ((first[self.rows], second[self.rows]) for first, second in draw_pairs(STEPS, batch=BATCH))


def train_heads_first(params: Pretrain, replica: Replica) -> list[dict[str, Any]]:
    """Train for two epochs, in the first of which the heads learn alone; return the parameters after each."""
    care = params.continuing.model_copy(update={"head_epochs": 1})
    params = params.model_copy(update={"continuing": care, "epochs": 2})
    state = start_state(build_byol(), params, steps_per_epoch=STEPS)
    engine = start_engine(state.objective.networks, params, CPU, replica)
    seen = [copy_parameters(state.objective)]
    feed = PairFeed(replica.slice_batch(BATCH))
    note = lambda state, _: seen.append(copy_parameters(state.objective))  # noqa: E731
    train(state, engine, feed, params, on_step=lambda _: None, on_epoch=note)
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]))
