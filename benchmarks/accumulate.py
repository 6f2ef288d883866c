"""Measures what a batch costs that is computed in parts (`pretrain.accumulate`): peak memory and time per image.

`python -m benchmarks.accumulate` needs PyTorch and torchvision, and no data: the pixels are random. Every number of
parts is a process of its own, whose peak of resident memory is that of the whole process: Python, PyTorch, images,
networks and all. The numbers of parts take turns in several rounds, so that what else the machine does meets all of
them alike. The seconds are those of CPU time that the process was given for its steps, but for the first.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import torch

from benchmarks.cifar10 import start_run
from benchmarks.records import write_record
from components.learning.device import prepare_device
from components.pretrain.params import Pretrain
from components.pretrain.step import choose_step
from components.show.usage import measure_peak_memory
from components.stage.command import PARAMS_FILE, check_params, exit_on_error
from presets.apply import apply_presets, to_plain

CPU = torch.device("cpu")


def main() -> None:
    """Measure every number of parts and write the record; with --of, take the steps of one of them only."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accumulate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--stem", choices=["small", "large"], default="large", help="of ResNet-18")
    parser.add_argument("--steps", type=int, default=2, help="that count, after one that does not")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--of", type=int, help=argparse.SUPPRESS)  # for the processes that measure starts
    asked = parser.parse_args()
    if asked.of:
        print(json.dumps(take_steps(read_settings(asked, asked.of), asked.steps)))
        return
    with exit_on_error("accumulate"):
        rounds = [{parts: measure(parts) for parts in asked.parts} for _ in range(asked.rounds)]
    results = [{"accumulate": parts, **pick_best([measured[parts] for measured in rounds])} for parts in asked.parts]
    settings = {key: value for key, value in vars(asked).items() if key not in ("parts", "of")}
    write_record("accumulate-cpu", {"settings": settings | {"precision": "float32"}, "results": results}, "torch")


def measure(parts: int) -> dict[str, float]:
    """Take the steps in a process of their own; return its memory and its time per image."""
    command = [sys.executable, "-m", "benchmarks.accumulate", *sys.argv[1:], "--of", str(parts)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(f"{parts:3} parts: {found['peak_memory_bytes'] / 1e6:6,.0f} MB, {1000 * found['seconds_per_image']:.1f} ms")
    return found


def pick_best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each number over the rounds: all that is above it is other work of the machine."""
    return {name: min(found[name] for found in rounds) for name in rounds[0]}


def read_settings(asked: argparse.Namespace, parts: int) -> Pretrain:
    """Return the section `pretrain` of the preset for photographs with this side and batch in so many parts."""
    section: Any = to_plain(apply_presets(PARAMS_FILE, ["photos"]))
    section["pretrain"]["images"] |= {"side": asked.side, "read_side": asked.side}
    section["pretrain"]["encoder"]["stem"] = asked.stem
    section["pretrain"] |= {"batch_size": asked.batch, "accumulate": parts, "precision": "float32"}
    section["pretrain"]["threads"] = asked.threads
    params: Pretrain = check_params(section, PARAMS_FILE).pretrain
    return params


def take_steps(params: Pretrain, steps: int) -> dict[str, float]:
    """Take a step that does not count and then some; return the peak of memory and the time per image."""
    prepare_device(CPU, params.threads)
    images = torch.randint(256, (params.batch_size, 3, *[params.images.read_side] * 2), dtype=torch.uint8)
    state, engine, feed = start_run(params, images, CPU)
    run_step = choose_step(state.objective, state.optimiser, feed.maker, engine)
    began = 0.0
    for step in range(1 + steps):
        if step == 1:
            began = time.process_time()
        (shown,) = feed.batches(0)
        run_step(shown, feed.maker.draw(step), 0.01, state.objective.schedule(0, 1))
    seconds = time.process_time() - began
    return {
        "peak_memory_bytes": measure_peak_memory(),
        "seconds_per_image": seconds / steps / params.batch_size,
    }


if __name__ == "__main__":
    main()
