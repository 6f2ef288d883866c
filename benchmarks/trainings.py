"""The parts of a training, each to be run again and again: the step on views made beforehand, its views, the whole.

B images of a batch, C channels, S pixels per side.
"""

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch import Tensor

from benchmarks import cifar10
from components.learning.engine import Way
from components.learning.graph import WARM_UP
from components.learning.objective import Batch, Draws, ViewSet
from components.pretrain.params import Pretrain
from components.pretrain.step import Compiled, choose_step

RATE = 0.01  # the learning rate of every step; any will do
SETTLED = {"cpu": 1, "cuda": WARM_UP + 2}  # steps until one runs as all later ones do; on CUDA it is recorded before


class ReadyViews:
    """A maker that passes on views that were made beforehand, as numbers that the network sees."""

    def __init__(self, online: int) -> None:
        self.online = online

    def draw(self, step: int) -> Draws:
        """Draw nothing: the views are there."""
        return ()

    def select(self, draws: Draws, rows: slice) -> Draws:
        """Select nothing of nothing."""
        return ()

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Tell the views of the online network from those of the target: (B, C, S, S) each."""
        return ViewSet(batch[: self.online], batch[self.online :])


class Training:
    """A training on images that lie on the device, of which each part can be run alone."""

    def __init__(self, params: Pretrain, images: Tensor, device: torch.device, way: Way | None = None) -> None:
        self.batch = params.batch_size
        self.state, self.engine, self.feed = cifar10.start_run(params, images, device, way)
        self.schedule = self.state.objective.schedule(0, self.state.steps)

    def prepare_step(self) -> Callable[[], Tensor]:
        """Return the step on views made beforehand, in the engine's way."""
        views = self.make_views()
        run_step = choose_step(self.state.objective, self.state.optimiser, ReadyViews(len(views.online)), self.engine)
        batch = (*views.online, *views.target)
        return lambda: run_step(batch, (), RATE, self.schedule)

    def prepare_whole_step(self) -> Callable[[], Tensor]:
        """Return the step with its views, on one batch of the feed after the other, as the training loop runs it."""
        maker, places = self.feed.maker, self.repeat_epochs()
        run_step = choose_step(self.state.objective, self.state.optimiser, maker, self.engine)

        def step() -> Tensor:
            number, batch = next(places)
            return run_step(batch, maker.draw(number), RATE, self.schedule)

        return step

    def prepare_views(self) -> Callable[[], ViewSet]:
        """Return what makes the views of one batch after the other, compiled if the engine's way is."""
        maker, places = self.feed.maker, self.repeat_epochs()
        make = Compiled(maker.make) if self.engine.way.compiled else maker.make

        def make_next() -> ViewSet:
            number, batch = next(places)
            views: ViewSet = make(batch, maker.draw(number))
            return views

        return make_next

    def make_views(self) -> ViewSet:
        """Make the views of the first batch."""
        return self.feed.maker.make(next(self.feed.batches(0)), self.feed.maker.draw(0))

    def repeat_epochs(self) -> Iterator[tuple[int, Batch]]:
        """Yield the number of each step and its batch without end."""
        epoch = self.feed.steps_per_epoch
        for number in count():
            yield from enumerate(self.feed.batches(number * epoch), number * epoch)
