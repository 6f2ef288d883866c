"""A network, batches and settings small enough that a test of the training takes no time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from components.byol.engine import Engine, start_engine
from components.byol.feed import Pair
from components.byol.network import Online, build_online
from components.byol.replicas import Replica
from components.byol.train import State, start
from components.params.pretrain import AdamW, Head, Lars, Pretrain, Sgd, TinyResNet
from tests.byol.reference import DECAY, MOMENTUM

TINY = TinyResNet(name="tiny_resnet", widths=(8, 16), blocks=1)
HEAD = Head(hidden=8, out=4)
CPU = torch.device("cpu")
SGD = Sgd(name="sgd", learning_rate=0.1, momentum=MOMENTUM, weight_decay=DECAY, warmup_epochs=0.0)
ADAMW = AdamW(name="adamw", learning_rate=0.01, beta1=0.9, beta2=0.999, weight_decay=DECAY, warmup_epochs=1.0)
LARS = Lars(
    name="lars",
    learning_rate=0.5,
    momentum=MOMENTUM,
    weight_decay=DECAY,
    warmup_epochs=1.0,
    trust_coefficient=0.02,
    trust_clip=True,
)
PretrainWith = Callable[..., Pretrain]


def build(seed: int = 0, encoder: TinyResNet = TINY) -> Online:
    return build_online(encoder, HEAD, channels=1, side=8, seed=seed)


def begin(params: Pretrain, *, steps_per_epoch: int = 1, online: Online | None = None) -> tuple[State, Engine]:
    """A state before its first step and the engine that runs it."""
    state = start(online or build(), params, steps_per_epoch=steps_per_epoch)
    return state, start_engine(state.online, state.target, params, CPU, Replica(0, 1))


def pairs(count: int, *, batch: int = 6, dtype: torch.dtype = torch.float32) -> list[Pair]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
            torch.randn(batch, 1, 8, 8, generator=generator, dtype=dtype),
        )
        for _ in range(count)
    ]


def parameters(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
