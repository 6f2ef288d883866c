"""How the networks are run, apart from what they compute: precision, compilation, several processes.

The objective's modules stay as they are, so that they can be saved, embedded with and exported; the engine holds what
the training step calls in their stead.
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
    """The objective's networks as the step calls them."""

    networks: Mapping[str, Callable[[Tensor], Tensor]]
    device: torch.device
    precision: torch.dtype  # of convolutions and products; sums, norms, loss and weights stay float32

    def autocast(self) -> torch.autocast:
        """The context in which the networks run, so that they compute in that precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)


def compiles_networks(params: Training, device: torch.device, replica: Replica) -> bool:
    """`auto` compiles on CUDA, but not where norms are shared by several processes: PyTorch cannot follow these."""
    auto = device.type == "cuda" and replica.world == 1 and has_compiler()
    return params.compile == "always" or (params.compile == "auto" and auto)


def compiles_views(params: Training, device: torch.device) -> bool:
    """On CUDA alone: on a CPU each operation is done for the images alone that it was drawn for, which is quicker."""
    wanted = params.compile == "always" or (params.compile == "auto" and has_compiler())
    return wanted and device.type == "cuda"


def has_compiler() -> bool:
    """Whether there is the C compiler that torch.compile needs at run time."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def start_engine(networks: Mapping[str, nn.Module], params: Training, device: torch.device, replica: Replica) -> Engine:
    """The networks, ready to run as params.yaml says."""
    compiled = compiles_networks(params, device, replica)
    ready = {name: cast(nn.Module, torch.compile(one)) if compiled else one for name, one in networks.items()}
    if replica.world > 1:
        ready = {name: share(one) for name, one in ready.items()}
    return Engine(ready, device, choose_precision(params.precision, device))


def share(network: nn.Module) -> nn.Module:
    """The same with its gradients averaged over all processes, if it learns.

    Each view is a batch of its own, so the network runs several times before its gradient: statistics that were sent
    round in between would change what the first run had left for it.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    with warnings.catch_warnings():  # torch 2.15 would have it called forward_sync_buffers, which 2.11 knows not
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(network, broadcast_buffers=False)
