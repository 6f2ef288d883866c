"""The resident feed, which keeps every image, decoded, on the training device.

An epoch then needs nothing of the host (as KellerJordan/cifar10-airbench does). A step's images depend on the seed and
the step alone: a feed can begin at any step, and each of several processes takes its own rows of the same batch.

N images, B a batch of all processes, b this process's part of it, C channels, R pixels per side as read.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from components.learning.objective import Batch
from components.learning.randomness import ORDER, derive_seed
from components.pretrain.feeds.maker import BatchedMaker


class ResidentFeed:
    """A feed that keeps all images on one device."""

    def __init__(self, images: Tensor, maker: BatchedMaker) -> None:
        """Move `images` to the maker's device: (N, C, R, R) pixels, N at least B."""
        self.images = images.to(maker.device)
        self.maker = maker
        self.steps_per_epoch = len(images) // maker.shape.batch

    def batches(self, step: int) -> Iterator[Batch]:  # noqa: D102
        epoch, done = divmod(step, self.steps_per_epoch)
        generator = Generator().manual_seed(derive_seed(self.maker.seed, ORDER, epoch))
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device, non_blocking=True)
        size = self.maker.shape.batch
        for number in range(done, self.steps_per_epoch):
            rows = order[number * size : (number + 1) * size][self.maker.rows]
            yield (self.images[rows],)
