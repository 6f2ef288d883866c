"""Measures where the time of a training step goes, and how close it comes to the limit of the device's arithmetic.

`python -m benchmarks.breakdown --cifar10 ROOT` needs PyTorch and torchvision. The limit is measured in the same run:
it is the rate at which this device multiplies large matrices in the step's precision. PyTorch's own counter
(torch.utils.flop_counter) counts the operations of the networks' products and convolutions, forward and backward.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cifar10
from benchmarks.records import write_record
from components.byol.objective import regression_loss
from components.learning.device import choose_device, prepare_device
from components.learning.engine import Engine
from components.learning.objective import Pair
from components.pretrain import loop as train
from components.pretrain.feeds.resident import ResidentFeed
from components.stage.command import exit_on_error

SIDES = {"cpu": 2048, "cuda": 8192}  # sides of the matrices whose product is the limit: large for the device
ROUNDS, SECONDS = 5, 5.0  # rounds of the step; seconds for the limit, before the step and after it
RATE, SCHEDULE = 0.01, {"tau": 0.99}


def main() -> None:
    """Measure, print a line per part, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    asked = parser.parse_args()
    with exit_on_error("breakdown"):
        device = choose_device(asked.device, "--device")
        prepare_device(device, asked.threads)
        images, _ = cifar10.read_cifar10(asked.cifar10, test=False)
        params = cifar10.read_settings(batch_size=asked.batch, precision=asked.precision)
        state, engine, feed = cifar10.start_run(params, images[: 4 * asked.batch], device)
    before = measure_product_rate(device, engine.precision)
    seconds = time_parts(state, engine, feed)
    limit = max(before, measure_product_rate(device, engine.precision))
    operations = count_operations(state, engine, next(iter(feed.pairs(0))))
    rates = summarise(seconds, operations, limit, asked.batch)
    for part, value in seconds.items():
        print(f"{part:28}{1000 * value:10.2f} ms {100 * value / seconds['whole step']:6.1f} %")
    print({key: f"{value:.4g}" for key, value in rates.items()})
    settings = {"batch": asked.batch, "precision": str(engine.precision).removeprefix("torch.")}
    record = {"settings": settings, "seconds": seconds, **rates}
    write_record(f"breakdown-{device.type}-{settings['precision']}", record, "torch", "torchvision")


def time_parts(state: train.State, engine: Engine, feed: ResidentFeed) -> dict[str, float]:
    """Return the median seconds of each part, and of a whole step with its views, which need not wait between parts."""
    parts: dict[str, list[float]] = {}

    def time_part(part: str, work: Callable[[], Any]) -> Any:
        cifar10.synchronise(engine.device)
        began = time.perf_counter()
        result = work()
        cifar10.synchronise(engine.device)
        parts.setdefault(part, []).append(time.perf_counter() - began)
        return result

    def run_whole_step() -> None:
        pair = next(iter(feed.pairs(0)))
        train.train_step(state, engine, pair, learning_rate=RATE, schedule=SCHEDULE)

    for _ in range(ROUNDS + 1):  # the first warms up and does not count
        pair: Pair = time_part("views", lambda: next(iter(feed.pairs(0))))
        predictions = time_part(
            "online network, forward", partial(run_forward, engine.networks["online"], pair, engine)
        )
        with torch.no_grad():
            targets = time_part(
                "target network, forward", partial(run_forward, engine.networks["target"], pair, engine)
            )
        state.optimiser.zero_grad(set_to_none=True)
        time_part("loss and backward", partial(run_backward, predictions, targets))
        time_part("optimiser", state.optimiser.step)
        time_part("target follows", lambda: state.objective.after_step(SCHEDULE))
        time_part("whole step", run_whole_step)
    return {part: statistics.median(times[1:]) for part, times in parts.items()}


def run_forward(network: Callable[[Tensor], Tensor], pair: Pair, engine: Engine) -> tuple[Tensor, Tensor]:
    """Run a network on both views, each as a batch of its own."""
    with engine.autocast():
        return network(pair[0]), network(pair[1])


def run_backward(predictions: Pair, targets: Pair) -> None:
    """Compute the loss and its gradients."""
    loss = regression_loss(predictions[0], targets[1]) + regression_loss(predictions[1], targets[0])
    loss.backward()  # type: ignore[no-untyped-call]


def count_operations(state: train.State, engine: Engine, pair: Pair) -> int:
    """Count the floating-point operations of a step's products and convolutions.

    The counter sees them only in networks that are not compiled.
    """
    uncompiled = Engine(state.objective.networks, engine.device, engine.precision)
    with FlopCounterMode(display=False) as counter:
        train.train_step(state, uncompiled, pair, learning_rate=RATE, schedule=SCHEDULE)
    return int(counter.get_total_flops())


def measure_product_rate(device: torch.device, precision: torch.dtype) -> float:
    """Return the operations per second of a large matrix product: the best of what fits into a few seconds."""
    side = SIDES[device.type]
    left, right = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        cifar10.synchronise(device)
        began = time.perf_counter()
        left @ right
        cifar10.synchronise(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def summarise(seconds: dict[str, float], operations: int, limit: float, batch: int) -> dict[str, float]:
    """Return the rates, and the share of the limit that the whole step reaches."""
    return {
        "operations_per_image": operations / batch,
        "product_operations_per_second": limit,
        "images_per_second": batch / seconds["whole step"],
        "images_per_second_at_the_limit": limit * batch / operations,
        "share_of_the_limit": operations / seconds["whole step"] / limit,
    }


if __name__ == "__main__":
    main()
