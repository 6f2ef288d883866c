"""The protocol between the training loop and an objective. Each objective is a room of components/.

An objective holds all networks that a step needs, including the encoder, and computes their loss. How they are run
(precision, compilation, several processes), optimised, saved and monitored is the same for all objectives.
B images of this process that are computed at once, C channels, R and S pixels per side, read and seen, D features.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import Tensor, nn

from components.learning.engine import Engine

Batch = tuple[Tensor, ...]  # what a feed gives at a step: images, (B, C, R, R) integers, or views of them made before
Draws = tuple[Tensor, ...]  # the random numbers that the views of a batch are read from
Number = float | Tensor  # a tensor () on the device where a CUDA graph repeats the step


class ViewSet(NamedTuple):
    """The views of a batch, each (B, C, S, S), normalised, of the same images in the same order."""

    online: tuple[Tensor, ...]  # two or more
    target: tuple[Tensor, ...] = ()  # what a target network sees; if empty, it sees the online network's views


class ViewMaker(Protocol):
    """Turns a feed's batches into views."""

    def draw(self, step: int) -> Draws:
        """Draw the numbers for the views of a step, which depend on the seed and the step alone."""
        ...

    def select(self, draws: Draws, rows: slice) -> Draws:
        """Select the numbers of these rows of this process's images."""
        ...

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Make the views of images from the numbers drawn for them, by arithmetic on the device alone."""
        ...


class Feed(Protocol):
    """The source of the training loop's images."""

    steps_per_epoch: int

    @property
    def maker(self) -> ViewMaker:
        """Return what makes the views of its batches."""
        ...

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches from step `step` of the run to the end of its epoch, except for an incomplete one."""
        ...


class Loss(NamedTuple):
    """The loss of one step; each tensor has shape () and is float32 or better."""

    total: Tensor  # the number that is minimised
    terms: dict[str, Tensor]  # its terms before they are weighted, by the names in `Objective.terms`


class Objective(nn.Module, ABC):
    """The networks of a training method and the loss that trains them."""

    method: str  # the method's name, a comma and its source, for the encoder's provenance
    watched: ClassVar[str]  # what must not collapse, such as "projection"; see `compute_watched`
    terms: tuple[str, ...] = ()  # names, logged as loss_<name>; empty if the loss has a single term
    still: tuple[nn.Module, ...] = ()  # modules that normalise by the statistics that they have, also in training

    @classmethod
    @abstractmethod
    def build_around(cls, encoder: nn.Module, params: Any) -> Self:
        """Build the objective around an untrained encoder. `params` has the type that its room calls `OBJECTIVE`.

        The weights of further networks are drawn from torch's global generator.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def encoder(self) -> nn.Module:
        """The network that is kept, exported and evaluated: (B, C, S, S) -> (B, D)."""

    @property
    def followers(self) -> tuple[nn.Module, ...]:
        """The networks of the encoder's shape that follow it instead of learning."""
        return ()

    @property
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """The networks that `loss` runs through the engine, by name; they include every network that learns."""

    @abstractmethod
    def loss(self, views: ViewSet, engine: Engine) -> Loss:
        """Compute the loss of the views of a batch, or of one of the parts in which it is computed."""

    @abstractmethod
    def compute_watched(self, features: Tensor) -> Tensor:
        """Compute, from the encoder's features, the vectors whose spread reveals a collapse: (B, D) -> (B, any)."""

    @abstractmethod
    def explain_collapse(self, params: Any) -> str:
        """Return the likely causes of a collapse, as keys of params.yaml with their values."""

    def train(self, mode: bool = True) -> Self:
        """Go into the mode of training, or of evaluation, with all modules but those that are still."""
        super().train(mode)
        for module in self.still:
            module.training = False  # and not what it holds: a ViT with its class token holds layers that learn
        return self

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """Return the objective's own numbers at step `step` of `steps`, from 0, for the log and `after_step`."""
        return {}

    def after_step(self, schedule: Mapping[str, Number]) -> None:
        """Update what follows the networks; the training loop calls this after each step of the optimiser."""
