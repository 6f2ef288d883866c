"""Each of torchrun's processes trains the tiny network on its rows of every batch and saves what came of it."""

import sys
from pathlib import Path

import torch

from components.byol import replicas
from components.byol.engine import start_engine
from components.byol.train import start, train_step
from components.params.pretrain import Pretrain
from components.stage import read_params
from tests.byol.tiny import CPU, SGD, build, pairs

BATCH, STEPS = 8, 3


def main(folder: Path) -> None:
    section: Pretrain = read_params(Path("params.yaml")).pretrain
    params = section.model_copy(update={"optimiser": SGD, "batch_size": BATCH})
    torch.set_num_threads(1)
    replica = replicas.join(BATCH, CPU)
    agreed = [replicas.agree(replica.rank == rank) for rank in (0, 1)]
    rows = replica.rows(BATCH)
    state = start(replicas.synchronise_norms(build(), replica, CPU), params, steps_per_epoch=STEPS)
    engine = start_engine(state.online, state.target, params, CPU, replica)
    for number, (first, second) in enumerate(pairs(STEPS, batch=BATCH)):
        state.losses[number] = train_step(state, engine, (first[rows], second[rows]), learning_rate=0.1, tau=0.9)
    state.losses.copy_(replicas.average(state.losses))
    content = {"online": state.online.state_dict(), "target": state.target.state_dict(), "losses": state.losses}
    content["agreed"] = agreed
    torch.save(content, folder / f"{replica.rank}.pt")
    replicas.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
