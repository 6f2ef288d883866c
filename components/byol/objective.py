"""BYOL, Bootstrap Your Own Latent (Grill et al., arXiv 2006.07733, algorithm 1).

An online network q(g(f(v))) learns to predict what a target network g'(f'(v')) makes of the other view, in both
directions. The target learns nothing: its parameters follow the online network's as a moving average. Four batches of
their own (joined ones would share BatchNorm statistics), the target in train mode, BatchNorm's running statistics its
own. The online encoder f is what is kept.
B images, C channels, S pixels a side, D features, P outputs of the projector.
"""

import copy
from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.byol.params import ByolSettings, Head
from components.encoder.build import feature_dimension
from components.learning.engine import Engine
from components.learning.objective import Loss, Objective, Pair
from components.learning.schedules import cosine


class Byol(Objective):
    """Online and target network."""

    method = "BYOL, arXiv 2006.07733"
    watched = "projection"

    def __init__(self, online: "Online", *, tau_base: float) -> None:
        """The target begins as a copy of the online network's encoder and projector."""
        super().__init__()
        self.online = online
        self.target = copy.deepcopy(nn.Sequential(online.encoder, online.projector)).requires_grad_(False)
        self.tau_base = tau_base

    @classmethod
    def around(cls, encoder: nn.Module, params: ByolSettings) -> Self:
        """As params.yaml says; the heads are drawn from torch's global generator."""
        features = feature_dimension(encoder, channels=params.images.channels, side=params.images.side)
        head = params.head
        return cls(Online(encoder, build_head(features, head), build_head(head.out, head)), tau_base=params.tau_base)

    @property
    def encoder(self) -> nn.Module:  # noqa: D102
        return self.online.encoder

    @property
    def networks(self) -> dict[str, nn.Module]:  # noqa: D102
        return {"online": self.online, "target": self.target}

    def loss(self, pair: Pair, engine: Engine) -> Loss:
        """Each view's prediction against the target's projection of the *other* view, 0..8.

        The two directions are added, not averaged: the average would halve the learning rate that every published
        recipe means.
        """
        first, second = pair
        online, target = engine.networks["online"], engine.networks["target"]
        with engine.autocast():
            predictions = online(first), online(second)  # (B, P) each
            with torch.no_grad():
                targets = target(first), target(second)  # (B, P) each
        return Loss(regression_loss(predictions[0], targets[1]) + regression_loss(predictions[1], targets[0]), {})

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """1 - (1 - tau_base) * (cos(pi k / K) + 1) / 2: from tau_base at the first step to 1 at the last."""
        return {"tau": 1 - (1 - self.tau_base) * cosine(step, steps)}

    @torch.no_grad()
    def after_step(self, schedule: Mapping[str, float]) -> None:
        """Target <- tau * target + (1 - tau) * online, over parameters only."""
        target: list[Tensor] = list(self.target.parameters())
        online: list[Tensor] = [*self.online.encoder.parameters(), *self.online.projector.parameters()]
        torch._foreach_lerp_(target, online, 1 - schedule["tau"])

    def watch(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, P)."""
        projections: Tensor = self.online.projector(features)
        return projections

    def causes(self, params: ByolSettings) -> str:  # noqa: D102
        return (
            f"pretrain.tau_base too low ({params.tau_base:g}), pretrain.optimiser.learning_rate too high "
            f"({params.optimiser.learning_rate:g}), or views that leave nothing of an image"
        )


class Online(nn.Module):
    """q(g(f(v))): the network that learns, and whose encoder is kept."""

    def __init__(self, encoder: nn.Module, projector: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.encoder, self.projector, self.predictor = encoder, projector, predictor

    def forward(self, view: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, P)."""
        projection = self.projector(self.encoder(view))  # (B, P)
        prediction: Tensor = self.predictor(projection)  # (B, P)
        return prediction


def build_head(inputs: int, params: Head) -> nn.Module:
    """Projector or predictor (B, inputs) -> (B, P): no bias and no normalisation after the last layer (section 3.1)."""
    return nn.Sequential(
        nn.Linear(inputs, params.hidden),
        nn.BatchNorm1d(params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, params.out, bias=False),
    )


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """||p/|p| - z/|z|||^2 = 2 - 2 cos(p, z), mean over the batch (equation 2): twice (B, P) -> () in 0..4.

    The target gets no gradient.
    """
    precise = torch.promote_types(prediction.dtype, torch.float32)  # a cosine near 1 has no digits left in bfloat16
    return 2 - 2 * F.cosine_similarity(prediction.to(precise), target.detach().to(precise), dim=-1).mean()


OBJECTIVE = Byol
