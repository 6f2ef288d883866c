"""Draws the batches of a training: random row numbers on the device of the images, without a host round trip per step.

n images, B of them in a batch.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

ROWS = 2**20  # row numbers that are brought to the device at once, so that few images do not mean a transfer per step


def draw_batches(images: int, size: int, total: int, generator: Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield `total` batches of row numbers below `images`, each (B,) on the device, B = `size`, at most `images`. The
    images get a new order each time all were used; the rest that does not fill a batch is left out. The generator is on
    the host, so that every device sees the same orders."""
    each = images // size  # batches of an order
    while total > 0:
        count = min(max(1, ROWS // images), -(-total // each))
        orders = torch.stack([torch.randperm(images, generator=generator) for _ in range(count)])  # (orders, n)
        batches = orders[:, : each * size].reshape(-1, size).to(device)  # (batches, B)
        for number in range(min(total, len(batches))):
            yield batches[number]
        total -= len(batches)
