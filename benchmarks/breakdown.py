"""Measures where the time of a training step goes, and how close it comes to the limits of the device.

`python -m benchmarks.breakdown --cifar10 ROOT` needs PyTorch and torchvision. It times rows of whole steps with their
views, in each way in which a step can be run here, then rows of the views alone and of the loss without its gradient,
in the way that `auto` chooses. There are two limits, measured in the same run: the convolutions alone (ceiling.py), and
the rate at which this device multiplies large matrices in the step's precision. PyTorch's own counter
(torch.utils.flop_counter) counts the operations of the networks' products and convolutions, forward and backward.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cifar10
from benchmarks.ceiling import measure_ceiling, time_settled
from benchmarks.records import write_record
from benchmarks.rows import measure_product_rate, time_row
from benchmarks.trainings import SETTLED, ReadyViews, Training
from components.learning.device import choose_device, choose_precision, prepare_device
from components.learning.engine import PLAIN, Way
from components.pretrain.params import Pretrain
from components.pretrain.step import define_loss
from components.pretrain.way import find_compiler_fault
from components.stage.command import exit_on_error

SECONDS = 5.0  # for the product of large matrices, before the steps and after them


def main() -> None:
    """Measure, print a line per part, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help=cifar10.ROOT_HELP)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3, help="steps in a row")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    asked = parser.parse_args()
    with exit_on_error("breakdown"):
        device = choose_device(asked.device, "--device")
        prepare_device(device, asked.threads)
        images, _ = cifar10.read_cifar10(asked.cifar10, test=False)
        params = cifar10.read_settings(batch_size=asked.batch, precision=asked.precision)
    images = images[: 4 * asked.batch]
    precision = choose_precision(params.precision, device)
    before = measure_product_rate(device, precision, seconds=SECONDS)
    whole = {name_way(way): time_whole_step(params, images, device, way, asked.steps) for way in list_ways(device)}
    parts = time_parts(Training(params, images, device), asked.steps)
    ceiling = measure_ceiling(params, device, asked.steps)
    parts["convolutions alone"] = asked.batch / ceiling["images_per_second"]
    limit = max(before, measure_product_rate(device, precision, seconds=SECONDS))
    operations = count_operations(params, images, device)
    quickest = min(whole.values())
    for part, value in {**whole, **parts}.items():
        print(f"{part:28}{1000 * value:10.2f} ms {100 * value / quickest:6.1f} %")
    rates = summarise(quickest, operations, limit, ceiling["images_per_second"], asked.batch)
    print({key: f"{value:.4g}" for key, value in rates.items()})
    settings = {"batch": asked.batch, "steps": asked.steps, "precision": str(precision).removeprefix("torch.")}
    record = {"settings": settings, "seconds": {**whole, **parts}, **rates}
    write_record(f"breakdown-{device.type}-{settings['precision']}", record, "torch", "torchvision")


def list_ways(device: torch.device) -> list[Way]:
    """List the ways in which a step can be run on the device; on a CPU the plain one, as `auto` has it."""
    if device.type != "cuda":
        return [PLAIN]
    compiled = [False] if find_compiler_fault() else [False, True]
    return [Way(compiled=fused, recorded=recorded) for recorded in (False, True) for fused in compiled]


def name_way(way: Way) -> str:
    """Name a whole step by the way in which it is run."""
    return f"whole step, {' and '.join(name for name, used in way._asdict().items() if used) or 'plain'}"


def time_whole_step(params: Pretrain, images: Tensor, device: torch.device, way: Way, steps: int) -> float:
    """Return the seconds of a step with its views, in a row."""
    torch.compiler.reset()
    step = Training(params, images, device, way).prepare_whole_step()
    time_row(step, device, SETTLED[device.type])
    return time_row(step, device, steps)


def time_parts(training: Training, steps: int) -> dict[str, float]:
    """Return the seconds of the views and of the forward passes to the loss, each in a row."""
    torch.compiler.reset()
    device, views = training.engine.device, training.make_views()
    compute_loss = define_loss(training.state.objective, ReadyViews(len(views.online)), training.engine)
    batch = (*views.online, *views.target)
    works: dict[str, Callable[[], Any]] = {
        "views": training.prepare_views(),
        "loss without its gradient": lambda: compute_loss(batch, ()),
    }
    return {part: time_settled(work, device, steps) for part, work in works.items()}


def count_operations(params: Pretrain, images: Tensor, device: torch.device) -> int:
    """Count the floating-point operations of a step's products and convolutions.

    The counter sees them only in networks that are not compiled.
    """
    step = Training(params, images, device, PLAIN).prepare_step()
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def summarise(seconds: float, operations: int, limit: float, ceiling: float, batch: int) -> dict[str, float]:
    """Return the rates, and the shares of both limits that the whole step reaches."""
    return {
        "operations_per_image": operations / batch,
        "product_operations_per_second": limit,
        "images_per_second": batch / seconds,
        "images_per_second_at_the_limit": limit * batch / operations,
        "share_of_the_limit": operations / seconds / limit,
        "images_per_second_of_the_convolutions": ceiling,
        "share_of_the_convolutions": batch / seconds / ceiling,
    }


if __name__ == "__main__":
    main()
