"""Where the time of a training step goes, and how far it is from what the device's arithmetic would allow.

`python -m benchmarks.breakdown --cifar10 ROOT` needs PyTorch and torchvision. The limit is measured in the same run:
the rate at which this device multiplies large matrices in the step's precision. The work is what PyTorch's own counter
(torch.utils.flop_counter) finds in the networks' products and convolutions, forward and backward.
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
from components.learning.device import choose_device, prepare
from components.learning.engine import Engine
from components.learning.objective import Pair
from components.pretrain import loop as train
from components.pretrain.feeds.resident import ResidentFeed
from components.stage.command import one_line_errors

SIDES = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product is the limit: large for the device
ROUNDS, SECONDS = 5, 5.0  # of the step, and of the limit before and after it
RATE, SCHEDULE = 0.01, {"tau": 0.99}


def main() -> None:
    """Measure, print a line a part, write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    asked = parser.parse_args()
    with one_line_errors("breakdown"):
        device = choose_device(asked.device, "--device")
        prepare(device, asked.threads)
        images, _ = cifar10.read(asked.cifar10, test=False)
        params = cifar10.setting(batch_size=asked.batch, precision=asked.precision)
        state, engine, feed = cifar10.start(params, images[: 4 * asked.batch], device)
    before = product_rate(device, engine.precision)
    seconds = time_parts(state, engine, feed)
    limit = max(before, product_rate(device, engine.precision))
    operations = count_operations(state, engine, next(iter(feed.pairs(0))))
    found = summarise(seconds, operations, limit, asked.batch)
    for part, value in seconds.items():
        print(f"{part:28}{1000 * value:10.2f} ms {100 * value / seconds['whole step']:6.1f} %")
    print({key: f"{value:.4g}" for key, value in found.items()})
    settings = {"batch": asked.batch, "precision": str(engine.precision).removeprefix("torch.")}
    record = {"settings": settings, "seconds": seconds, **found}
    write_record(f"breakdown-{device.type}-{settings['precision']}", record, "torch", "torchvision")


def time_parts(state: train.State, engine: Engine, feed: ResidentFeed) -> dict[str, float]:
    """Median seconds of each part, and of a whole step with its views, which need not wait in between."""
    parts: dict[str, list[float]] = {}

    def timed(part: str, work: Callable[[], Any]) -> Any:
        cifar10.synchronise(engine.device)
        began = time.perf_counter()
        result = work()
        cifar10.synchronise(engine.device)
        parts.setdefault(part, []).append(time.perf_counter() - began)
        return result

    def whole() -> None:
        pair = next(iter(feed.pairs(0)))
        train.train_step(state, engine, pair, learning_rate=RATE, schedule=SCHEDULE)

    for _ in range(ROUNDS + 1):  # the first warms up and does not count
        pair: Pair = timed("views", lambda: next(iter(feed.pairs(0))))
        predictions = timed("online network, forward", partial(forward, engine.networks["online"], pair, engine))
        with torch.no_grad():
            targets = timed("target network, forward", partial(forward, engine.networks["target"], pair, engine))
        state.optimiser.zero_grad(set_to_none=True)
        timed("loss and backward", partial(descend, predictions, targets))
        timed("optimiser", state.optimiser.step)
        timed("target follows", lambda: state.objective.after_step(SCHEDULE))
        timed("whole step", whole)
    return {part: statistics.median(times[1:]) for part, times in parts.items()}


def forward(network: Callable[[Tensor], Tensor], pair: Pair, engine: Engine) -> tuple[Tensor, Tensor]:
    """Both views, each as a batch of its own."""
    with engine.autocast():
        return network(pair[0]), network(pair[1])


def descend(predictions: Pair, targets: Pair) -> None:
    """Loss and gradients."""
    loss = regression_loss(predictions[0], targets[1]) + regression_loss(predictions[1], targets[0])
    loss.backward()  # type: ignore[no-untyped-call]


def count_operations(state: train.State, engine: Engine, pair: Pair) -> int:
    """Floating-point operations of a step's products and convolutions, which the counter sees as long as they are not
    compiled."""
    plain = Engine(state.objective.networks, engine.device, engine.precision)
    with FlopCounterMode(display=False) as counter:
        train.train_step(state, plain, pair, learning_rate=RATE, schedule=SCHEDULE)
    return int(counter.get_total_flops())


def product_rate(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second of a large matrix product: the best of what fits into a few seconds."""
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
    """Rates, and the share of the limit that the whole step reaches."""
    return {
        "operations_per_image": operations / batch,
        "product_operations_per_second": limit,
        "images_per_second": batch / seconds["whole step"],
        "images_per_second_at_the_limit": limit * batch / operations,
        "share_of_the_limit": operations / seconds["whole step"] / limit,
    }


if __name__ == "__main__":
    main()
