"""The resident feed, which keeps every image, decoded, on the training device.

An epoch then needs nothing of the host (as KellerJordan/cifar10-airbench does). A step's images and views depend on the
seed and the step alone: a feed can begin at any step, and each of several processes draws for the whole batch and makes
its own rows of it.

N images, B a batch of all processes, b this process's part of it, C channels, R and S pixels per side, read and seen.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from components.encoder.normalise import normalise
from components.encoder.params import Images
from components.learning import views
from components.learning.engine import compiles_views
from components.learning.objective import Pair
from components.learning.params import Views
from components.learning.randomness import ORDER, VIEWS, derive_seed
from components.learning.replicas import Replica
from components.learning.views import Drawn, Shape
from components.pretrain.params import Pretrain


class PairMaker:
    """Makes pairs of views with the batched executor, on the device that the images are on.

    A view takes some hundred small operations; compiled, they become a few kernels.
    """

    def __init__(
        self, views: Views, params: Images, *, seed: int, batch_size: int, replica: Replica, compiled: bool = False
    ) -> None:
        self.views, self.params, self.seed = views, params, seed
        self.batch_size, self.rows = batch_size, replica.slice_batch(batch_size)
        self.finish = torch.compile(self._finish) if compiled else self._finish

    def make(self, images: Tensor, step: int) -> Pair:
        """Make both views of this process's images: (b, C, R, R) uint8 -> two (b, C, S, S), normalised."""
        generator = Generator(images.device).manual_seed(derive_seed(self.seed, VIEWS, step))
        channels, read_side = images.shape[1:3]
        whole = Shape(self.batch_size, channels, read_side, self.params.side)
        first, second = (
            views.select_rows(views.draw_view(view, whole, generator), self.rows)
            for view in (self.views.first, self.views.second)
        )
        return self.finish(images, first, second)

    def _finish(self, images: Tensor, first: Drawn, second: Drawn) -> Pair:
        """Apply what was drawn, and normalise: (b, C, R, R) uint8 -> two (b, C, S, S)."""
        pixels, side = images.float() / 255, self.params.side
        return (
            normalise(views.apply_view(pixels, self.views.first, first, side), self.params),
            normalise(views.apply_view(pixels, self.views.second, second, side), self.params),
        )


def build_pair_maker(params: Pretrain, device: torch.device, replica: Replica) -> PairMaker:
    """Build the maker of pairs that params.yaml describes, compiled if the engine compiles views."""
    return PairMaker(
        params.views,
        params.images,
        seed=params.seed,
        batch_size=params.batch_size,
        replica=replica,
        compiled=compiles_views(params, device),
    )


class ResidentFeed:
    """A feed that keeps all images on one device."""

    def __init__(self, images: Tensor, maker: PairMaker, device: torch.device) -> None:
        """Move `images` to the device: (N, C, R, R) uint8, N at least B."""
        self.images = images.to(device)
        self.maker = maker
        self.steps_per_epoch = len(images) // maker.batch_size

    def pairs(self, step: int) -> Iterator[Pair]:  # noqa: D102
        epoch, done = divmod(step, self.steps_per_epoch)
        generator = Generator().manual_seed(derive_seed(self.maker.seed, ORDER, epoch))
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device, non_blocking=True)
        size = self.maker.batch_size
        for number in range(done, self.steps_per_epoch):
            rows = order[number * size : (number + 1) * size][self.maker.rows]
            yield self.maker.make(self.images[rows], epoch * self.steps_per_epoch + number)
