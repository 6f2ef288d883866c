"""Runs an objective's networks in the chosen precision, in one process or several.

The objective's modules stay unchanged, so that they can be saved, used to embed and exported; the engine holds the
callables that the loss calls in their place.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.learning.device import choose_precision, compute_in
from components.learning.graph import find_stream, run_on
from components.learning.params import Training
from components.learning.replicas import ALONE, Replica


class Way(NamedTuple):
    """The way in which the steps of a training are run; every way computes the same but for rounding."""

    compiled: bool  # views and loss are fused into fewer kernels; with several processes the views alone
    recorded: bool  # the whole step is repeated as one CUDA graph


PLAIN = Way(compiled=False, recorded=False)  # one operation after the other


@dataclass(frozen=True)
class Engine:
    """The objective's networks in the form in which the loss calls them."""

    networks: Mapping[str, Callable[[Tensor], Tensor]]
    device: torch.device
    precision: torch.dtype  # of convolutions and products; sums, norms, loss and weights stay float32
    way: Way = PLAIN
    replica: Replica = ALONE
    parts: int = 1  # in which the batch of this process is computed, one after another

    def autocast(self) -> torch.autocast:
        """Return the context in which the networks compute in the engine's precision."""
        return compute_in(self.precision, self.device)

    @contextmanager
    def add_up_alone(self) -> Iterator[None]:
        """Let each of several processes add up its gradients by itself; the next ones outside are exchanged with them.

        (https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html, `no_sync`)
        """
        with ExitStack() as stack:
            for network in self.networks.values():
                if isinstance(network, DistributedDataParallel):
                    stack.enter_context(network.no_sync())
            yield


def start_engine(
    networks: Mapping[str, nn.Module], params: Training, device: torch.device, replica: Replica, way: Way = PLAIN
) -> Engine:
    """Make an engine that runs the networks as `params` say, in steps of the given way."""
    if replica.world > 1:
        networks = {name: average_gradients(network, device, way) for name, network in networks.items()}
    return Engine(networks, device, choose_precision(params.precision, device), way, replica, params.accumulate)


def average_gradients(network: nn.Module, device: torch.device, way: Way) -> nn.Module:
    """Return the network with its gradients averaged over all processes, or unchanged if it does not learn.

    The network runs several times before each gradient, once per view. Broadcasting its buffers between these runs
    would change what the first run has kept for the gradient.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    with warnings.catch_warnings():  # torch 2.15 wants the name forward_sync_buffers, which 2.11 lacks
        warnings.simplefilter("ignore", FutureWarning)
        wrap = partial(DistributedDataParallel, network, broadcast_buffers=False)
        return run_on(find_stream(device), wrap) if way.recorded else wrap()
