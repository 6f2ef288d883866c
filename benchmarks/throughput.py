"""Measures images per second of views, training step and whole loop, beside lightly's BYOL, in one run on one device.

`python -m benchmarks.throughput --cifar10 ROOT` needs PyTorch, torchvision and lightly (`make peers`), and neither DVC
nor Prefect. Both have the same network and batch: first as each comes (lightly's example in float32, ours with what
`auto` chooses here), then both in the same precision and uncompiled, then both tuned: bfloat16, compiled, lightly in
channels-last layout. Everything is measured in turn, round by round, so that a busy moment of the machine meets all
alike; the best round counts. A round makes an epoch of views, trains some steps on views made beforehand, and trains
as many steps while views are made.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import cifar10, peer
from benchmarks.records import write_record
from components.byol.params import Head
from components.encoder.build import build_encoder, count_features
from components.learning.device import choose_device, prepare_device
from components.pretrain import loop as train
from components.stage.command import exit_on_error

Rates = dict[str, float]
RATE, SCHEDULE = 0.01, {"tau": 0.99}  # the same for every step; any values will do
COMPARISONS: dict[str, tuple[dict[str, bool], dict[str, str]]] = {
    "as each comes": ({"half": False, "tuned": False}, {}),
    "both float32": ({"half": False, "tuned": False}, {"precision": "float32", "compile": "never"}),
    "both bfloat16": ({"half": True, "tuned": False}, {"precision": "bfloat16", "compile": "never"}),
    "both tuned": ({"half": True, "tuned": True}, {"precision": "bfloat16", "compile": "always"}),
}


class Program:
    """A program that makes views and learns from them."""

    views: Callable[[], Iterator[tuple[Tensor, Tensor]]]  # makes the views of an epoch anew
    learn: Callable[[tuple[Tensor, Tensor]], Tensor]
    batch: int

    def repeat_epochs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the views of epoch after epoch without end."""
        while True:
            yield from self.views()


class OurProgram(Program):
    """This project's resident images, batched views, and the engine that params.yaml asks for."""

    def __init__(self, images: Tensor, batch: int, device: torch.device, how: dict[str, str]) -> None:
        params = cifar10.read_settings(batch_size=batch, head=Head(hidden=peer.HIDDEN, out=peer.OUT), **how)
        state, engine, feed = cifar10.start_run(params, images, device)
        self.views, self.batch = lambda: feed.pairs(0), batch
        self.learn = lambda pair: train.train_step(state, engine, pair, learning_rate=RATE, schedule=SCHEDULE)


class LightlyProgram(Program):
    """The workers of lightly's loader and the loop of its example."""

    def __init__(self, root: Path, images: int, batch: int, workers: int, device: torch.device, **how: bool) -> None:
        encoder = cifar10.read_settings().encoder
        backbone = build_encoder(encoder, channels=3, side=32)
        loop = peer.LightlyLoop(backbone, count_features(backbone, channels=3, side=32), device, **how)
        batches = peer.make_loader(root, images=images, batch_size=batch, workers=workers)
        self.views, self.learn, self.batch = lambda: peer.iterate_pairs(batches), lambda pair: loop.step(*pair), batch


def main() -> None:
    """Measure, print the rates and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2, help="threads of the CPU, for both")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="workers of lightly's loader")
    parser.add_argument("--images", type=int, default=6400, help="in an epoch of views")
    parser.add_argument("--steps", type=int, default=3, help="training steps per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with exit_on_error("throughput"):
        device = choose_device(asked.device, "--device")
        prepare_device(device, asked.threads)
        torch.use_deterministic_algorithms(False)  # lightly's example does not ask for them either
        images, _ = cifar10.read_cifar10(asked.cifar10, test=False)
        images = images[: asked.images]
        rates: dict[str, dict[str, Rates]] = {}
        for name, (settings_of_lightly, settings_of_ours) in COMPARISONS.items():
            programs: dict[str, Program] = {
                "lightly": LightlyProgram(
                    asked.cifar10, len(images), asked.batch, asked.workers, device, **settings_of_lightly
                ),
                "ours": OurProgram(images, asked.batch, device, settings_of_ours),
            }
            rates[name] = measure_rates(programs, asked.steps, asked.rounds, device)
            print_rates(name, rates[name])
    settings = {key: value for key, value in vars(asked).items() if key != "cifar10"}
    network = f"ResNet-18 for small images, heads {peer.HIDDEN}-{peer.OUT}"
    record = {"settings": {**settings, "network": network}, "images_per_second": rates}
    write_record(f"throughput-{device.type}", record, "torch", "torchvision", "lightly")


def measure_rates(programs: dict[str, Program], steps: int, rounds: int, device: torch.device) -> dict[str, Rates]:
    """Return the best rate of each part of each program."""
    pairs = {name: move_to_device(next(iter(program.views())), device) for name, program in programs.items()}
    streams = {name: program.repeat_epochs() for name, program in programs.items()}

    def make_views(name: str) -> int:
        return sum(len(first) for first, _ in programs[name].views())

    def step(name: str) -> int:
        for _ in range(steps):
            programs[name].learn(pairs[name])
        return steps * programs[name].batch

    def loop(name: str) -> int:
        for _ in range(steps):
            programs[name].learn(next(streams[name]))
        return steps * programs[name].batch

    works = {"views": make_views, "step": step, "loop": loop}
    best: dict[str, Rates] = {part: dict.fromkeys(programs, 0.0) for part in works}
    for number in range(rounds + 1):  # the first round warms up and does not count
        for part, work in works.items():
            for name in programs:
                cifar10.synchronise(device)
                began = time.perf_counter()
                images = work(name)
                cifar10.synchronise(device)
                rate = images / (time.perf_counter() - began)
                best[part][name] = max(best[part][name], rate if number else 0.0)
    return best


def move_to_device(pair: tuple[Tensor, Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """Move a pair of views, so that a step is timed without the transfer, which only the whole loop has."""
    return pair[0].to(device), pair[1].to(device)


def print_rates(name: str, rates: dict[str, Rates]) -> None:
    """Print a line per part."""
    for part, by_program in rates.items():
        ratio = by_program["ours"] / by_program["lightly"]
        numbers = ", ".join(f"{program} {rate:,.1f}" for program, rate in by_program.items())
        print(f"{name}: {part}: {numbers} images/s, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
