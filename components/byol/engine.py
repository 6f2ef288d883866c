"""How the networks are run, apart from what they compute: precision, compilation, several processes.

The modules of the state stay as they are, so that they can be saved, embedded with and exported; the engine holds what
the training step calls in their stead.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.byol.replicas import Replica
from components.params.pretrain import Pretrain


@dataclass(frozen=True)
class Engine:
    """The two networks as the step calls them."""

    predict: Callable[[Tensor], Tensor]  # online network: (B, C, S, S) -> (B, P)
    project: Callable[[Tensor], Tensor]  # target network: (B, C, S, S) -> (B, P)
    device: torch.device
    precision: torch.dtype  # of convolutions and products; sums, norms, loss and weights stay float32


def start_engine(
    online: nn.Module, target: nn.Module, params: Pretrain, device: torch.device, replica: Replica
) -> Engine:
    """`auto` is bfloat16 and compiled on CUDA, float32 and as written elsewhere."""
    accelerated = device.type == "cuda"
    half = params.precision == "bfloat16" or (params.precision == "auto" and accelerated)
    predict: nn.Module = online
    project: nn.Module = target
    if params.compile == "always" or (params.compile == "auto" and accelerated):
        predict, project = cast(nn.Module, torch.compile(online)), cast(nn.Module, torch.compile(target))
    if replica.world > 1:
        # Each view is a batch of its own, so the network runs twice before its gradient: statistics that were sent
        # round in between would change what the first run had left for it.
        with warnings.catch_warnings():  # torch 2.15 would have it called forward_sync_buffers, which 2.11 knows not
            warnings.simplefilter("ignore", FutureWarning)
            predict = DistributedDataParallel(predict, broadcast_buffers=False)
    return Engine(predict, project, device, torch.bfloat16 if half else torch.float32)
