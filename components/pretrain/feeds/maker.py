"""Turns a feed's batches into normalised views: made on the device, or handed over by the workers of a stream.

N images, B a batch of all processes, b this process's images of it or some of these, C channels, R and S pixels per
side, read and seen.
"""

import torch
from torch import Generator

from components.encoder.normalise import normalise, to_unit
from components.encoder.params import Images
from components.learning import views
from components.learning.objective import Batch, Draws, ViewSet
from components.learning.params import Views
from components.learning.randomness import VIEWS, derive_seed
from components.learning.replicas import Replica
from components.learning.views import Shape
from components.pretrain.params import Pretrain


class BatchedMaker:
    """Makes the views of many images at once, on the device that the images are on.

    Each of several processes draws for the whole batch and keeps the numbers of its own rows.
    """

    def __init__(
        self, views: Views, params: Images, *, seed: int, batch_size: int, replica: Replica, device: torch.device
    ) -> None:
        self.online, self.target = views.list_online(), views.list_target()
        self.params, self.seed, self.device, self.rows = params, seed, device, replica.slice_batch(batch_size)
        self.shape = Shape(batch_size, params.channels, params.read_side, params.side, params.colours)

    def draw(self, step: int) -> Draws:
        """Draw the numbers of all views of this process's images: uniform and normal ones of each view by turns."""
        generator = Generator(self.device).manual_seed(derive_seed(self.seed, VIEWS, step))
        drawn = [views.draw_numbers(view, self.shape, generator) for view in (*self.online, *self.target)]
        return self._select(tuple(numbers for of_view in drawn for numbers in of_view), self.shape, self.rows)

    def select(self, draws: Draws, rows: slice) -> Draws:
        """Select the numbers of some of this process's images."""
        return self._select(draws, self.shape._replace(batch=self.rows.stop - self.rows.start), rows)

    def _select(self, draws: Draws, shape: Shape, rows: slice) -> Draws:
        pairs = zip((*self.online, *self.target), zip(draws[::2], draws[1::2], strict=True), strict=True)
        selected = [views.select_numbers(view, shape, numbers, rows) for view, numbers in pairs]
        return tuple(numbers for of_view in selected for numbers in of_view)

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Make the views of the images that the numbers are for: (b, C, R, R) pixels -> (b, C, S, S) each."""
        pixels = to_unit(batch[0], self.params)
        shape = self.shape._replace(batch=len(pixels))
        made = []
        for place, view in enumerate((*self.online, *self.target)):
            drawn = views.read_numbers(view, shape, (draws[2 * place], draws[2 * place + 1]))
            seen = views.apply_view(pixels, view, drawn, *shape[3:])
            made.append(normalise(seen, self.params))
        return ViewSet(tuple(made[: len(self.online)]), tuple(made[len(self.online) :]))


class ReadyMaker:
    """Normalises views that the workers of a stream have made."""

    def __init__(self, views: Views, params: Images) -> None:
        self.count, self.params = len(views.list_online()), params

    def draw(self, step: int) -> Draws:
        """Draw nothing: the workers have."""
        return ()

    def select(self, draws: Draws, rows: slice) -> Draws:
        """Select nothing of nothing."""
        return ()

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Normalise the views: (b, C, S, S) uint8 each -> (b, C, S, S) each."""
        made = [normalise(view, self.params) for view in batch]
        return ViewSet(tuple(made[: self.count]), tuple(made[self.count :]))


def build_batched_maker(params: Pretrain, device: torch.device, replica: Replica) -> BatchedMaker:
    """Build the maker of the views that params.yaml describes."""
    return BatchedMaker(
        params.views, params.images, seed=params.seed, batch_size=params.batch_size, replica=replica, device=device
    )
