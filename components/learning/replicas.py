"""Lets several processes, one per GPU or core, train one network: each takes its part of every batch.

torchrun starts them (https://docs.pytorch.org/docs/stable/elastic/run.html) and tells each its rank; without torchrun
there is one process. Gradients are averaged by DistributedDataParallel. On CUDA, BatchNorm's statistics run over all
replicas, as in the paper (arXiv 2006.07733, appendix J); PyTorch supports that on no other device.
"""

import ctypes
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn

from components.stage.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
Value = TypeVar("Value")
PATIENCE = timedelta(days=1)  # the others wait in a collective while the first process reads a large store
PR_SET_PDEATHSIG = 1  # prctl(2)


class Replica:
    """The rank of this process and the number of processes."""

    def __init__(self, rank: int, world: int) -> None:
        self.rank, self.world = rank, world

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def slice_batch(self, batch_size: int) -> slice:
        """Return this process's rows of a batch that all processes share."""
        count = batch_size // self.world
        return slice(self.rank * count, (self.rank + 1) * count)


ALONE = Replica(0, 1)


def join_processes(batch_size: int, device: torch.device, parts: int = 1) -> Replica:
    """Join the processes that torchrun started, if any; each computes its images of a batch in so many parts.

    Raises InputError if the batch cannot be shared evenly.
    """
    if not dist.is_torchelastic_launched():
        return ALONE
    backend = "nccl" if device.type == "cuda" else "gloo"  # each handles only tensors of its device
    replica = enter_process_group(device, "pretrain.device", backend)
    shares = replica.world * parts
    if batch_size % shares or batch_size // shares < 2:
        each = f" in {parts} parts each (pretrain.accumulate)" if parts > 1 else ""
        raise InputError(
            f"params.yaml: pretrain.batch_size: {batch_size} cannot be shared by {replica.world} processes{each}: "
            f"take a multiple of {shares} with two images or more for each{' part' if parts > 1 else ''}"
        )
    return replica


def enter_process_group(device: torch.device, key: str, backend: str) -> Replica:
    """Join the process group as one of torchrun's processes. Raises InputError if they would share a GPU."""
    end_with_launcher()
    if device.type == "cuda" and device.index != get_local_rank():
        raise InputError(f"params.yaml: {key}: '{device}' is one GPU; say cuda, and each process has its own")
    dist.init_process_group(backend, timeout=PATIENCE, device_id=device if backend == "nccl" else None)
    return Replica(dist.get_rank(), dist.get_world_size())


def end_with_launcher() -> None:
    """Have the Linux kernel end this process when torchrun is gone.

    torchrun puts each process into a session of its own, which a SIGKILL to torchrun's group does not reach: the
    process would train on and keep the next run waiting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def average_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Average values over all processes; every process has to call this."""
    if not dist.is_initialized():
        return values
    summed = values.clone()
    dist.all_reduce(summed)
    return summed / dist.get_world_size()


def broadcast_value(value: Value) -> Value:
    """Return the first process's value in all processes; every process has to call this."""
    if not dist.is_initialized():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def wait_for_processes() -> None:
    """Wait until every process has called this."""
    if dist.is_initialized():
        dist.barrier()


def leave_processes() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def get_local_rank() -> int:
    """Return the number of this process on its machine, which is also the number of its GPU."""
    return dist.get_node_local_rank(fallback_rank=0)


def synchronise_norms(network: Network, replica: Replica, device: torch.device) -> Network:
    """Return the network, its parameters unchanged, with BatchNorm over all replicas if the device supports it."""
    if replica.world == 1 or device.type != "cuda":
        return network
    return cast(Network, choose_converter(network)(network))


def choose_converter(network: nn.Module) -> Callable[[nn.Module], nn.Module]:
    """Choose what converts BatchNorm: PyTorch's own would drop the activation that norms of timm hold."""
    if not any(type(module).__module__.startswith("timm.") for module in network.modules()):
        return nn.SyncBatchNorm.convert_sync_batchnorm
    from timm.layers.norm_act import convert_sync_batchnorm

    return convert_sync_batchnorm
