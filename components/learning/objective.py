"""What the training loop asks of an objective, and what it gives it. Each objective is a room of components/.

An objective holds all networks that a step needs, the encoder among them, and knows what they should do. How they are
run (precision, compilation, several processes), optimised, saved and looked at is the same for all.
B images of this process, C channels, S pixels a side, D features.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import Tensor, nn

from components.learning.engine import Engine

Pair = tuple[Tensor, Tensor]  # two (B, C, S, S), normalised, of the same images in the same order


class Feed(Protocol):
    """What the training loop knows of its images."""

    steps_per_epoch: int

    def pairs(self, step: int) -> Iterator[Pair]:
        """Yield the pairs from this step of the run to the end of its epoch, without what does not fill a batch."""
        ...


class Loss(NamedTuple):
    """The loss of one step; each tensor is () in float32 or better."""

    total: Tensor  # what is minimised
    terms: dict[str, Tensor]  # what it is the sum of, before weights, by the names in `Objective.terms`


class Objective(nn.Module, ABC):
    """Networks and a loss."""

    method: str  # what the encoder is said to be trained by: a name, a comma, the source
    watched: ClassVar[str]  # what must not collapse, such as "projection": `watch` gives it
    terms: tuple[str, ...] = ()  # logged as loss_<name>; none where the loss is one thing

    @classmethod
    @abstractmethod
    def around(cls, encoder: nn.Module, params: Any) -> Self:
        """Build it around an untrained encoder. `params` are those that its room names `OBJECTIVE`; further networks
        are drawn from torch's global generator."""

    @property
    @abstractmethod
    def encoder(self) -> nn.Module:
        """The network that is kept, exported and evaluated: (B, C, S, S) -> (B, D)."""

    @property
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Every network that `loss` runs by way of the engine, by name; all that learn are among them."""

    @abstractmethod
    def loss(self, pair: Pair, engine: Engine) -> Loss:
        """Compute the loss of two views of the same images."""

    @abstractmethod
    def watch(self, features: Tensor) -> Tensor:
        """Make of the encoder's features the vectors whose spread tells a collapse: (B, D) -> (B, any)."""

    @abstractmethod
    def causes(self, params: Any) -> str:
        """Say what a collapse is likely to come from, as keys of params.yaml with their values."""

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """Return its own numbers of step `step` of `steps`, the first being 0; the log and `after_step` get them."""
        return {}

    def after_step(self, schedule: Mapping[str, float]) -> None:
        """Do what follows each step of the optimiser."""
