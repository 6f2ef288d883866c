"""Runs an objective's networks in the chosen precision, compiled or not, in one process or several.

The objective's modules stay unchanged, so that they can be saved, used to embed and exported; the engine holds the
callables that the training step calls in their place.
"""

import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.learning.device import choose_precision
from components.learning.params import Training
from components.learning.replicas import Replica


@dataclass(frozen=True)
class Engine:
    """The objective's networks in the form in which the training step calls them."""

    networks: Mapping[str, Callable[[Tensor], Tensor]]
    device: torch.device
    precision: torch.dtype  # of convolutions and products; sums, norms, loss and weights stay float32

    def autocast(self) -> torch.autocast:
        """Return the context in which the networks compute in the engine's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)


def compiles_networks(params: Training, device: torch.device, replica: Replica) -> bool:
    """Whether the networks are compiled. `auto` compiles on CUDA, in one process only.

    With several processes BatchNorm's statistics are shared, which PyTorch's compiler cannot follow.
    """
    auto = device.type == "cuda" and replica.world == 1 and has_compiler()
    return params.compile == "always" or (params.compile == "auto" and auto)


def compiles_views(params: Training, device: torch.device) -> bool:
    """Whether the views are compiled: only on CUDA, since a CPU is quicker if it skips images without an operation."""
    wanted = params.compile == "always" or (params.compile == "auto" and has_compiler())
    return wanted and device.type == "cuda"


def has_compiler() -> bool:
    """Whether this machine has the C compiler that torch.compile needs at run time."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def start_engine(networks: Mapping[str, nn.Module], params: Training, device: torch.device, replica: Replica) -> Engine:
    """Make an engine that runs the networks as `params` say."""
    compiled = compiles_networks(params, device, replica)
    callables = {
        name: cast(nn.Module, torch.compile(network)) if compiled else network for name, network in networks.items()
    }
    if replica.world > 1:
        callables = {name: average_gradients(network) for name, network in callables.items()}
    return Engine(callables, device, choose_precision(params.precision, device))


def average_gradients(network: nn.Module) -> nn.Module:
    """Return the network with its gradients averaged over all processes, or unchanged if it does not learn.

    The network runs several times before each gradient, once per view. Broadcasting its buffers between these runs
    would change what the first run has kept for the gradient.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    with warnings.catch_warnings():  # torch 2.15 wants the name forward_sync_buffers, which 2.11 lacks
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(network, broadcast_buffers=False)
