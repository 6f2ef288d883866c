"""Several processes, one a GPU or a core, that train one network: each takes its part of every batch.

torchrun starts them (https://docs.pytorch.org/docs/stable/elastic/run.html) and tells each its rank; else there is one.
Gradients are averaged by DistributedDataParallel; BatchNorm's statistics run over all replicas, as in the paper (arXiv
2006.07733, appendix J), where the device is CUDA: PyTorch has that for no other.
"""

import ctypes
import signal
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn

from components.stage.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
Value = TypeVar("Value")
PATIENCE = timedelta(days=1)  # while the first process reads a large store, the others wait in a collective
PR_SET_PDEATHSIG = 1  # prctl(2)


class Replica:
    """Which process this is, and how many there are."""

    def __init__(self, rank: int, world: int) -> None:
        self.rank, self.world = rank, world

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes files and reports."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """This process's rows of a batch of all processes."""
        each = batch_size // self.world
        return slice(self.rank * each, (self.rank + 1) * each)


def join(batch_size: int, device: torch.device) -> Replica:
    """Join the others that torchrun started, if it did. Raises InputError where the batch cannot be shared evenly."""
    if not dist.is_torchelastic_launched():
        return Replica(0, 1)
    backend = "nccl" if device.type == "cuda" else "gloo"  # each knows no tensors but its device's
    replica = enlist(device, "pretrain.device", backend)
    if batch_size % replica.world or batch_size // replica.world < 2:
        raise InputError(
            f"params.yaml: pretrain.batch_size: {batch_size} cannot be shared by {replica.world} processes: "
            f"take a multiple of {replica.world} with two images or more for each"
        )
    return replica


def enlist(device: torch.device, key: str, backend: str) -> Replica:
    """As one of the processes that torchrun started. Raises InputError where they would share a GPU."""
    end_with_launcher()
    if device.type == "cuda" and device.index != local_rank():
        raise InputError(f"params.yaml: {key}: '{device}' is one GPU; say cuda, and each process has its own")
    dist.init_process_group(backend, timeout=PATIENCE, device_id=device if backend == "nccl" else None)
    return Replica(dist.get_rank(), dist.get_world_size())


def end_with_launcher() -> None:
    """Have the kernel end this process when torchrun is gone, on Linux.

    torchrun puts each process into a session of its own, where a SIGKILL to torchrun's group does not reach it: it
    would train on, and keep the next run waiting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def average(values: torch.Tensor) -> torch.Tensor:
    """Over all processes; every one of them has to ask."""
    if not dist.is_initialized():
        return values
    summed = values.clone()
    dist.all_reduce(summed)
    return summed / dist.get_world_size()


def agree(value: Value) -> Value:
    """The first process's value, in all of them; every one of them has to ask."""
    if not dist.is_initialized():
        return value
    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def wait() -> None:
    """Until every process has come so far."""
    if dist.is_initialized():
        dist.barrier()


def leave() -> None:
    """Part from the others."""
    if dist.is_initialized():
        dist.destroy_process_group()


def local_rank() -> int:
    """Number of this process on its machine: its GPU."""
    return dist.get_node_local_rank(fallback_rank=0)


def synchronise_norms(network: Network, replica: Replica, device: torch.device) -> Network:
    """The same network, the same parameters, with BatchNorm over all replicas where the device can."""
    if replica.world > 1 and device.type == "cuda":
        return cast(Network, nn.SyncBatchNorm.convert_sync_batchnorm(network))  # type: ignore[no-untyped-call]
    return network
