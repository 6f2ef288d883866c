"""Measures the images per second of whole training steps, views included, by the side of the images and the network.

`python -m benchmarks.sides` needs PyTorch and torchvision, and no data: the pixels are random. It takes the preset
`photos` for torchvision's networks, and `cpu` laid over it for the demo's. A row is a step that does not count and
then steps for some seconds, one at least. On a CPU the seconds are those that the process was given, so that other work
on the machine matters little: images per second of one core.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import time
from typing import Any

import torch

from benchmarks.cifar10 import start_run
from benchmarks.records import write_record
from benchmarks.rows import synchronise
from components.learning.device import choose_device, choose_precision, prepare_device
from components.pretrain.params import Pretrain
from components.pretrain.step import choose_step
from components.stage.command import PARAMS_FILE, check_params, exit_on_error
from presets.apply import apply_presets, to_plain

SIDES = (32, 64, 96, 128, 224)
NETWORKS = ("tiny_resnet", "resnet18", "resnet50")


def main() -> None:
    """Measure, print a line per network and side, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network and side")
    asked = parser.parse_args()
    with exit_on_error("sides"):
        device = choose_device(asked.device, "--device")
        prepare_device(device, asked.threads)
        rates: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
        for name in NETWORKS:
            for side in SIDES:
                params = read_settings(name, side, asked.batch)
                rates[name][str(side)] = measure_rate(params, device, asked.seconds)
                print(f"{name:12}{side:4}{rates[name][str(side)]:10.1f} images/s", flush=True)
    precision = str(choose_precision(params.precision, device)).removeprefix("torch.")
    settings = {**vars(asked), "precision": precision, "stem": "auto", "read_side": "side"}
    write_record(f"sides-{device.type}", {"settings": settings, "images_per_second": rates}, "torch", "torchvision")


def read_settings(network: str, side: int, batch: int) -> Pretrain:
    """Return the section `pretrain` of the preset for photographs with this network, side and batch."""
    tiny = network == "tiny_resnet"
    section: Any = to_plain(apply_presets(PARAMS_FILE, ["photos", "cpu"] if tiny else ["photos"]))
    section["pretrain"]["images"] |= {"side": side, "read_side": side}
    section["pretrain"]["batch_size"] = batch
    section["pretrain"]["encoder"] |= {"name": network}
    params: Pretrain = check_params(section, PARAMS_FILE).pretrain
    return params


def measure_rate(params: Pretrain, device: torch.device, seconds: float) -> float:
    """Return the images per second of steps on random images, once the first step is done."""
    batch, side = params.batch_size, params.images.side
    images = torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, device=device)
    state, engine, feed = start_run(params, images, device)
    run_step = choose_step(state.objective, state.optimiser, feed.maker, engine)
    read_clock = time.process_time if device.type == "cpu" else time.perf_counter
    steps, began = -1, 0.0
    while steps < 1 or read_clock() - began < seconds:
        (shown,) = feed.batches(0)
        run_step(shown, feed.maker.draw(steps + 1), 0.01, state.objective.schedule(0, 1))
        synchronise(device)
        steps += 1
        if steps == 0:
            began = read_clock()
    return steps * batch / (read_clock() - began)


if __name__ == "__main__":
    main()
