"""The protocol between the training loop and an objective. Each objective is a room of components/.

An objective holds all networks that a step needs, including the encoder, and computes their loss. How they are run
(precision, compilation, several processes), optimised, saved and monitored is the same for all objectives.
B images of this process, C channels, S pixels per side, D features.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import Tensor, nn

from components.learning.engine import Engine

Pair = tuple[Tensor, Tensor]  # two (B, C, S, S), normalised, of the same images in the same order


class Feed(Protocol):
    """The source of the training loop's images, as pairs of views."""

    steps_per_epoch: int

    def pairs(self, step: int) -> Iterator[Pair]:
        """Yield the pairs from step `step` of the run to the end of its epoch, except for an incomplete batch."""
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
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """The networks that `loss` runs through the engine, by name; they include every network that learns."""

    @abstractmethod
    def loss(self, pair: Pair, engine: Engine) -> Loss:
        """Compute the loss of two views of the same images."""

    @abstractmethod
    def compute_watched(self, features: Tensor) -> Tensor:
        """Compute, from the encoder's features, the vectors whose spread reveals a collapse: (B, D) -> (B, any)."""

    @abstractmethod
    def explain_collapse(self, params: Any) -> str:
        """Return the likely causes of a collapse, as keys of params.yaml with their values."""

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """Return the objective's own numbers at step `step` of `steps`, from 0, for the log and `after_step`."""
        return {}

    def after_step(self, schedule: Mapping[str, float]) -> None:
        """Update what follows the networks; the training loop calls this after each step of the optimiser."""
