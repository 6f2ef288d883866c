"""BYOL, Bootstrap Your Own Latent (Grill et al., arXiv 2006.07733, algorithm 1).

An online network q(g(f(v))) learns to predict what a target network g'(f'(v')) makes of the other view, in both
directions. The target gets no gradient: its parameters follow the online network's as a moving average. Each network
sees each view as a batch of its own (joined batches would share BatchNorm statistics). The target runs in train mode
and keeps its own running statistics of BatchNorm. After training, the online encoder f is kept.

Beyond the paper, there may be more views than two, and views that the target alone sees: a view then predicts the mean
of what the target makes of all other views, as in FastSiam (Pototzky et al., 2022, section 3), or of its own views.
B images, C channels, S pixels per side, D features, P outputs of the projector, V views of the online network.
"""

import copy
from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.byol.params import ByolSettings, Head
from components.encoder.build import count_features
from components.learning.engine import Engine
from components.learning.objective import Loss, Number, Objective, ViewSet
from components.learning.schedules import late_cosine


class Byol(Objective):
    """BYOL's online and target network, and the loss between them."""

    method = "BYOL, arXiv 2006.07733"
    watched = "projection"

    def __init__(self, online: "Online", *, tau_base: float, tau_hold: float) -> None:
        """Start the target as a copy of the online network's encoder and projector."""
        super().__init__()
        self.online = online
        self.target = copy.deepcopy(nn.Sequential(online.encoder, online.projector)).requires_grad_(False)
        self.tau_base, self.tau_hold = tau_base, tau_hold

    @classmethod
    def build_around(cls, encoder: nn.Module, params: ByolSettings) -> Self:
        """Build BYOL around an encoder, with heads whose weights are drawn from torch's global generator."""
        features = count_features(encoder, channels=params.images.channels, side=params.images.side)
        head = params.head
        online = Online(encoder, build_head(features, head), build_head(head.out, head))
        return cls(online, tau_base=params.tau_base, tau_hold=params.tau_hold)

    @property
    def encoder(self) -> nn.Module:  # noqa: D102
        return self.online.encoder

    @property
    def followers(self) -> tuple[nn.Module, ...]:  # noqa: D102
        return (self.target[0],)

    @property
    def networks(self) -> dict[str, nn.Module]:  # noqa: D102
        return {"online": self.online, "target": self.target}

    def loss(self, views: ViewSet, engine: Engine) -> Loss:
        """Compare each view's prediction with the target's projection of the *other* view; the loss is in 0..8.

        The two directions of two views are added, not averaged: an average would halve the published learning rates.
        More views weigh as much as two.
        """
        online, target = engine.networks["online"], engine.networks["target"]
        with engine.autocast():
            predictions = [online(view) for view in views.online]  # V of (B, P)
            with torch.no_grad():
                projections = [target(view) for view in views.target or views.online]  # (B, P) each
        if views.target:
            goals = [average_directions(projections)] * len(predictions)  # V of (B, P)
        else:
            others = [projections[:place] + projections[place + 1 :] for place in range(len(predictions))]
            goals = [average_directions(projected) for projected in others]  # V of (B, P)
        losses = [regression_loss(predicted, goal) for predicted, goal in zip(predictions, goals, strict=True)]
        return Loss(2 / len(losses) * torch.stack(losses).sum(), {})

    def schedule(self, step: int, steps: int) -> Mapping[str, float]:
        """Return tau, which stays at tau_base for tau_hold of the K steps and then rises along a cosine.

        Without the hold it is the paper's 1 - (1 - tau_base) * (cos(pi k / K) + 1) / 2 at step k.
        """
        return {"tau": 1 - (1 - self.tau_base) * late_cosine(step, steps, hold=self.tau_hold)}

    @torch.no_grad()
    def after_step(self, schedule: Mapping[str, Number]) -> None:
        """Set the target's parameters to tau * target + (1 - tau) * online; buffers stay unchanged."""
        target: list[Tensor] = list(self.target.parameters())
        online: list[Tensor] = [*self.online.encoder.parameters(), *self.online.projector.parameters()]
        rest = 1 - schedule["tau"]
        weights = [rest.to(online[0].dtype)] * len(online) if isinstance(rest, Tensor) else rest
        torch._foreach_lerp_(target, online, weights)

    def compute_watched(self, features: Tensor) -> Tensor:
        """Project the features: (B, D) -> (B, P)."""
        projections: Tensor = self.online.projector(features)
        return projections

    def explain_collapse(self, params: ByolSettings) -> str:  # noqa: D102
        return (
            f"pretrain.tau_base too low ({params.tau_base:g}), pretrain.optimiser.learning_rate too high "
            f"({params.optimiser.learning_rate:g}), or views that leave nothing of an image"
        )


class Online(nn.Module):
    """The online network q(g(f(v))), which learns and whose encoder is kept."""

    def __init__(self, encoder: nn.Module, projector: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.encoder, self.projector, self.predictor = encoder, projector, predictor

    def forward(self, view: Tensor) -> Tensor:
        """Predict the target's projection from a view: (B, C, S, S) -> (B, P)."""
        projection = self.projector(self.encoder(view))  # (B, P)
        prediction: Tensor = self.predictor(projection)  # (B, P)
        return prediction


def build_head(inputs: int, params: Head) -> nn.Module:
    """Build a projector or predictor, (B, inputs) -> (B, P), without bias or norm at its last layer (section 3.1)."""
    return nn.Sequential(
        nn.Linear(inputs, params.hidden),
        nn.BatchNorm1d(params.hidden),
        nn.ReLU(inplace=True),
        nn.Linear(params.hidden, params.out, bias=False),
    )


def average_directions(projections: list[Tensor]) -> Tensor:
    """Compute the mean of the l2-normalised projections; a single one stays as it is: (B, P) each -> (B, P)."""
    if len(projections) == 1:
        return projections[0]
    dtype = torch.promote_types(projections[0].dtype, torch.float32)
    return torch.stack([F.normalize(z.to(dtype), dim=-1) for z in projections]).mean(0)


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Compute the batch mean of ||p/|p| - z/|z|||^2 = 2 - 2 cos(p, z) (equation 2): twice (B, P) -> () in 0..4.

    The target gets no gradient.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)  # a cosine near 1 has no digits left in bfloat16
    return 2 - 2 * F.cosine_similarity(prediction.to(dtype), target.detach().to(dtype), dim=-1).mean()


OBJECTIVE = Byol
