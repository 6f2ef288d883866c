"""Where the training loop gets its views from: an object with an epoch of pairs, wherever its images live.

`ResidentFeed` keeps every image, decoded, on the training device, so that an epoch needs no host (as
KellerJordan/cifar10-airbench does). N images, B a batch, C channels, S pixels a side.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Generator, Tensor

from components.byol import views
from components.byol.normalise import normalise
from components.params.pretrain import Images, Views

Pair = tuple[Tensor, Tensor]  # two (B, C, S, S), normalised, of the same images in the same order


class Feed(Protocol):
    """What the loop needs to know of its images."""

    steps_per_epoch: int
    batch_size: int

    def epoch(self) -> Iterator[Pair]:
        """One pass over the images in a fresh random order; what does not fill a batch is left out."""
        ...


class ResidentFeed:
    """All images on one device; order and views are drawn there, from generators of the feed's own."""

    def __init__(
        self, images: Tensor, *, batch_size: int, views: Views, params: Images, seed: int, device: torch.device
    ) -> None:
        """`images`: (N, C, S, S) uint8; N at least `batch_size`."""
        self.images = images.to(device)
        self.batch_size = batch_size
        self.steps_per_epoch = len(images) // batch_size
        self.views, self.params = views, params
        self.generator = Generator(device).manual_seed(seed)

    def epoch(self) -> Iterator[Pair]:  # noqa: D102
        order = torch.randperm(len(self.images), generator=self.generator, device=self.images.device)
        for step in range(self.steps_per_epoch):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self.pair(self.images[rows].float() / 255)

    def pair(self, images: Tensor) -> Pair:
        """Both views: (B, C, S, S) in 0..1 -> two (B, C, S, S), normalised."""
        first = views.make_view(images, self.views.first, self.generator)
        second = views.make_view(images, self.views.second, self.generator)
        return normalise(first, self.params), normalise(second, self.params)
