"""A network, batches and settings small enough that a test of the training takes no time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from components.byol.objective import Byol, Online, build_head
from components.byol.params import Head
from components.encoder.build import build_encoder
from components.encoder.params import TinyResNet
from components.learning.engine import PLAIN, Engine, Way, start_engine
from components.learning.objective import Batch, Draws, Objective, ViewSet
from components.learning.params import AdamW, Cosine, Lars, Sgd
from components.learning.replicas import Replica
from components.pretrain.loop import State, build_objective, start_state
from components.pretrain.params import Pretrain
from components.pretrain.step import split_batch, train_step
from tests.byol.reference import DECAY, MOMENTUM
from tests.small import make_settings

TINY = TinyResNet(name="tiny_resnet", widths=(8, 16), blocks=1)
COSINE = Cosine(name="cosine")
HEAD = Head(hidden=8, out=4)
CPU = torch.device("cpu")
SGD = Sgd(name="sgd", learning_rate=0.1, momentum=MOMENTUM, weight_decay=DECAY, warmup_epochs=0.0, decay=COSINE)
ADAMW = AdamW(
    name="adamw", learning_rate=0.01, beta1=0.9, beta2=0.999, weight_decay=DECAY, warmup_epochs=1.0, decay=COSINE
)
LARS = Lars(
    name="lars",
    learning_rate=0.5,
    momentum=MOMENTUM,
    weight_decay=DECAY,
    warmup_epochs=1.0,
    decay=COSINE,
    trust_coefficient=0.02,
    trust_clip=True,
)
PretrainWith = Callable[..., Pretrain]


def build_byol(seed: int = 0, encoder: TinyResNet = TINY, *, tau_base: float = 0.9, tau_hold: float = 0.0) -> Byol:
    torch.manual_seed(seed)
    features = encoder.widths[-1]
    network = build_encoder(encoder, channels=1, side=8)
    online = Online(network, build_head(features, HEAD), build_head(HEAD.out, HEAD))
    return Byol(online, tau_base=tau_base, tau_hold=tau_hold)


def build_article() -> Objective:
    """Build the article's objective with every one of its terms."""
    weights = {"reconstruction": 1.0, "centre": 0.5, "contrastive": 0.5, "adversarial": 0.5}
    encoder = {"name": "tiny_resnet", "widths": (4, 8), "blocks": 1}
    return build_objective(make_settings(objective="article", article=weights, encoder=encoder))


def begin_training(
    params: Pretrain, *, steps_per_epoch: int = 1, objective: Objective | None = None, way: Way = PLAIN
) -> tuple[State, Engine]:
    """Return a state before its first step and its engine; the objective is a tiny BYOL unless one is passed."""
    state = start_state(objective or build_byol(tau_base=params.tau_base), params, steps_per_epoch=steps_per_epoch)
    return state, start_engine(state.objective.networks, params, CPU, Replica(0, 1), way)


def take_step(
    state: State, engine: Engine, views: Batch, *, learning_rate: float, schedule: dict[str, float]
) -> Tensor:
    """Take a step on views as they are; return the loss and its terms."""
    step = train_step(
        state.objective,
        state.optimiser,
        engine,
        lambda batch, _: state.objective.loss(ViewSet(batch), engine),
        split_batch(views, (), SameViews(), engine.parts),
        learning_rate,
        schedule,
    )
    state.step += 1
    return step


class SameViews:
    """A maker whose views are the batch itself."""

    def draw(self, step: int) -> Draws:
        """Draw nothing."""
        return ()

    def select(self, draws: Draws, rows: slice) -> Draws:
        """Select nothing of nothing."""
        return ()

    def make(self, batch: Batch, draws: Draws) -> ViewSet:
        """Return the batch."""
        return ViewSet(batch)


def draw_pairs(count: int, *, batch: int = 6, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
        )
        for _ in range(count)
    ]


def copy_parameters(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
