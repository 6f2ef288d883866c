"""What the training loop asks of an objective; each is one file beside this one and one line in registry.py.

An objective holds all networks that a step needs, the encoder among them, and knows what they should do. How they are
run (precision, compilation, several processes), optimised, saved and looked at is the same for all.
B images of this process, C channels, S pixels a side, D features.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from components.byol.engine import Engine
from components.byol.feed import Pair
from components.params.pretrain import Pretrain


class Loss(NamedTuple):
    """Of a step, each () in float32 or better."""

    total: Tensor  # what is minimised
    terms: dict[str, Tensor]  # what it is the sum of, before weights, by the names in `Objective.terms`


class Objective(nn.Module, ABC):
    """Networks and a loss."""

    method: str  # what the encoder is said to be trained by: a name, a comma, the source
    taught: ClassVar[str]  # what the two views are to it, a sentence
    kept: ClassVar[str]  # what of its networks is kept and what is not, a sentence for the model card
    watched: ClassVar[str]  # what must not collapse, such as "projection": `watch` gives it
    terms: tuple[str, ...] = ()  # logged as loss_<name>; none where the loss is one thing

    @property
    @abstractmethod
    def encoder(self) -> nn.Module:
        """(B, C, S, S) -> (B, D): what is kept, exported and evaluated."""

    @property
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Those that `loss` runs by way of the engine: all that learn, by name."""

    @abstractmethod
    def loss(self, pair: Pair, engine: Engine) -> Loss:
        """Of two views of the same images."""

    @abstractmethod
    def watch(self, features: Tensor) -> Tensor:
        """The encoder's features -> the vectors whose spread tells a collapse: (B, D) -> (B, any)."""

    @abstractmethod
    def causes(self, params: Pretrain) -> str:
        """What a collapse is likely to come from, as keys of params.yaml with their values."""

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """For step `step` of `steps`, the first being 0; it is logged, and told to `after_step`."""
        return {}

    def after_step(self, schedule: Mapping[str, float]) -> None:
        """What follows each step of the optimiser."""
