"""Measures images per second of views, training step and whole loop, beside lightly's BYOL, in one run on one device.

`python -m benchmarks.throughput --cifar10 ROOT` needs PyTorch, torchvision and lightly (`make peers`), and neither DVC
nor Prefect. Both have the same network and batch: first as each comes (lightly's example in float32, ours with what
`auto` chooses here), then both in the same precision and uncompiled, then both tuned: bfloat16, compiled, lightly in
channels-last layout. Everything is measured in turn, round by round, so that a busy moment of the machine meets all
alike; the best round counts. A round makes an epoch of views, trains some steps on views made beforehand, and trains
as many steps while views are made.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks import cifar10
from benchmarks.records import write_record
from benchmarks.rows import time_row
from benchmarks.trainings import SETTLED, Training
from components.byol.params import Head
from components.encoder.build import build_encoder, count_features
from components.learning.device import choose_device, prepare_device
from components.stage.command import exit_on_error

Rates = dict[str, float]
HEAD = Head(hidden=1024, out=256)  # of lightly's example
COMPARISONS: dict[str, tuple[dict[str, bool], dict[str, str]]] = {
    "as each comes": ({"half": False, "tuned": False}, {}),
    "both float32": ({"half": False, "tuned": False}, {"precision": "float32", "compile": "never"}),
    "both bfloat16": ({"half": True, "tuned": False}, {"precision": "bfloat16", "compile": "never"}),
    "both tuned": ({"half": True, "tuned": True}, {"precision": "bfloat16", "compile": "always"}),
}


class Program(NamedTuple):
    """The three parts of a program; each handles so many batches in a row when it is called."""

    views: Callable[[int], None]  # makes the views
    step: Callable[[int], None]  # learns from views that were made beforehand
    loop: Callable[[int], None]  # learns from views that are made meanwhile


def start_ours(params: Any, images: Tensor, device: torch.device) -> Program:
    """Start this project's training on images that lie on the device, in the way that `params` ask for."""
    training = Training(params, images, device)

    def repeat_work(work: Callable[[], Any]) -> Callable[[int], None]:
        def work_on(batches: int) -> None:
            for _ in range(batches):
                work()

        return work_on

    parts = training.prepare_views(), training.prepare_step(), training.prepare_whole_step()
    return Program(*map(repeat_work, parts))


def start_lightly(
    params: Any, images: Tensor, device: torch.device, workers: int, *, half: bool, tuned: bool
) -> Program:
    """Start the loop of lightly's example with our network, heads and batch, and the workers of its loader.

    Its workers are idle when a row begins, so that no row finds batches that were made while nothing was timed.
    """
    from benchmarks import peer

    shape = {"channels": params.images.channels, "side": params.images.side}
    backbone = build_encoder(params.encoder, **shape)
    loop = peer.LightlyLoop(backbone, count_features(backbone, **shape), params.head, device, half=half, tuned=tuned)
    loader = peer.make_loader(images, batch_size=params.batch_size, workers=workers)
    first, second = (view.to(device) for view in next(iter(loader)))  # a step is timed without the transfer

    def read_pairs(batches: int) -> Iterator[Any]:
        return islice(chain.from_iterable(repeat(loader)), batches)  # epoch after epoch

    def make_views(batches: int) -> None:
        for _ in read_pairs(batches):
            pass

    def step(batches: int) -> None:
        for _ in range(batches):
            loop.step(first, second)

    def learn(batches: int) -> None:
        for pair in read_pairs(batches):
            loop.step(*pair)

    return Program(make_views, step, learn)


def main() -> None:
    """Measure, print the rates and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help=cifar10.ROOT_HELP)
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
            torch.compiler.reset()  # or the compiler's limit of recompilations is reached
            params = cifar10.read_settings(batch_size=asked.batch, head=HEAD, **settings_of_ours)
            programs = {
                "lightly": start_lightly(params, images, device, asked.workers, **settings_of_lightly),
                "ours": start_ours(params, images, device),
            }
            rates[name] = measure_rates(programs, asked, device)
            print_rates(name, rates[name])
    settings = {key: value for key, value in vars(asked).items() if key != "cifar10"}
    network = f"ResNet-18 for small images, heads {HEAD.hidden}-{HEAD.out}"
    record = {"settings": {**settings, "network": network}, "images_per_second": rates}
    write_record(f"throughput-{device.type}", record, "torch", "torchvision", "lightly")


def measure_rates(programs: dict[str, Program], asked: argparse.Namespace, device: torch.device) -> dict[str, Rates]:
    """Return the best rate of each part of each program, each in a row of an epoch of views or of some steps."""
    best: dict[str, Rates] = {part: dict.fromkeys(programs, 0.0) for part in Program._fields}
    rows = {"views": asked.images // asked.batch, "step": asked.steps, "loop": asked.steps}
    for number in range(asked.rounds + 1):  # the first round warms up and does not count
        for part, repeats in rows.items():
            for name, program in programs.items():
                batches = repeats if number else SETTLED[device.type]
                seconds = time_row(partial(getattr(program, part), batches), device, 1)
                best[part][name] = max(best[part][name], batches * asked.batch / seconds if number else 0.0)
    return best


def print_rates(name: str, rates: dict[str, Rates]) -> None:
    """Print a line per part."""
    for part, by_program in rates.items():
        ratio = by_program["ours"] / by_program["lightly"]
        numbers = ", ".join(f"{program} {rate:,.1f}" for program, rate in by_program.items())
        print(f"{name}: {part}: {numbers} images/s, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
