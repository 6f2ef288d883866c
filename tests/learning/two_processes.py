"""A program for torchrun: each process trains the tiny networks on its rows of every batch and saves the outcome."""

import sys
from pathlib import Path
from typing import Any

import torch

from components.learning import replicas
from components.learning.engine import start_engine
from components.learning.objective import Objective
from components.learning.replicas import Replica
from components.pretrain.loop import start_state
from components.pretrain.params import Pretrain
from components.stage.command import read_params
from tests.pretrain.tiny import CPU, SGD, build_article, build_byol, build_vit, draw_pairs, take_step

BATCH, STEPS = 8, 3
BUILDERS = {"byol": build_byol, "article": build_article, "vit": build_vit}


def main(folder: Path) -> None:
    section: Pretrain = read_params(Path("params.yaml")).pretrain
    params = section.model_copy(update={"optimiser": SGD, "batch_size": BATCH})
    torch.set_num_threads(1)
    replica = replicas.join_processes(BATCH, CPU)
    content: dict[str, Any] = {"agreed": [replicas.broadcast_value(replica.rank == rank) for rank in (0, 1)]}
    for name, build in BUILDERS.items():
        content[name] = train_some_steps(build(), params, replica)
    torch.save(content, folder / f"{replica.rank}.pt")
    replicas.leave_processes()


def train_some_steps(objective: Objective, params: Pretrain, replica: Replica) -> dict[str, Any]:
    """Train for STEPS steps on this process's rows; return the objective's state and the averaged losses."""
    rows = replica.slice_batch(BATCH)
    state = start_state(replicas.synchronise_norms(objective, replica, CPU), params, steps_per_epoch=STEPS)
    engine = start_engine(state.objective.networks, params, CPU, replica)
    for number, (first, second) in enumerate(draw_pairs(STEPS, batch=BATCH)):
        views = first[rows], second[rows]
        state.losses[number] = take_step(state, engine, views, learning_rate=0.1, schedule={"tau": 0.9})
    return {"objective": state.objective.state_dict(), "losses": replicas.average_over_processes(state.losses)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
