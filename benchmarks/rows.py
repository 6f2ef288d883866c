"""Times rows of work between two synchronisations.

A single step that is waited for shows how long the host takes to launch it; a row of steps shows how long the device
works, or the host where that is slower, as a training does.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

SIDES = {"cpu": 2048, "cuda": 8192}  # sides of the matrices whose product is timed: large for the device


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all the work that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_row(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Return the seconds that the work takes, as the mean over a row of repeats."""
    synchronise(device)
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronise(device)
    return (time.perf_counter() - began) / repeats


def measure_product_rate(device: torch.device, precision: torch.dtype, *, seconds: float) -> float:
    """Return the operations per second of a large matrix product: the best row of what fits into some seconds."""
    side = SIDES[device.type]
    left, right = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
    best, until = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < until:
        best = min(best, time_row(lambda: left @ right, device, 5))
    return float(2 * side**3 / best)
