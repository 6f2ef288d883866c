"""The step by which a network learns from labels, as a function of tensors on the device: nothing comes from the host.

B images of a batch, C channels, R and S pixels per side as read and as seen, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise, to_unit
from components.encoder.params import Images
from components.learning import views
from components.learning.objective import Batch, Draws, Number
from components.learning.params import View


@dataclass(frozen=True)
class SupervisedStep:
    """Trains a network on random views of a batch, by the cross-entropy with its labels."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, K)
    optimiser: torch.optim.Optimizer
    generator: Generator  # of the views, on the device
    view: View
    shape: Images

    def draw(self, size: int) -> Draws:
        """Draw the numbers that the views of a batch of B images are read from, B = `size`."""
        return views.draw_numbers(self.view, self._shape_of(size), self.generator)

    def __call__(self, batch: Batch, numbers: Draws, rate: Number, schedule: Mapping[str, Number]) -> Tensor:
        """Learn from images (B, C, R, R) and their labels (B,) at the given rate; return the loss ()."""
        images, labels = batch
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.network(self.make_views(images, numbers)), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()

    def make_views(self, images: Tensor, numbers: Draws) -> Tensor:
        """Make the view of every image that the numbers decide: (B, C, R, R) pixels -> (B, C, S, S) normalised."""
        shape = self._shape_of(len(images))
        drawn = views.read_numbers(self.view, shape, (numbers[0], numbers[1]))
        seen = views.apply_view(to_unit(images, self.shape), self.view, drawn, shape.side, shape.colours)
        return normalise(seen, self.shape)

    def _shape_of(self, size: int) -> views.Shape:
        return views.Shape(size, self.shape.channels, self.shape.read_side, self.shape.side, self.shape.colours)
