"""Which device a stage computes on, and what makes the same seed give the same bits there."""

from typing import Any

import torch
from threadpoolctl import threadpool_limits

from components.learning.replicas import local_rank
from components.stage.errors import InputError
from components.stage.types import Precision


def choose_device(name: str, key: str) -> torch.device:
    """`auto` takes the first of cuda, mps, cpu that is there; plain `cuda` each process's own GPU.

    Raises InputError where the named one is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if name == "cuda":
        name = f"cuda:{local_rank()}"
    device = torch.device(name)
    if not available[device.type] or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise InputError(f"params.yaml: {key}: there is no device '{name}' here; there is {there} (or say auto)")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def has_amx() -> bool:
    """Whether this CPU multiplies matrices of bfloat16 in hardware: Intel's AMX."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # which torch 2.11 lacks
    return bool(capabilities.get("amx_bf16", False))


def choose_precision(name: Precision, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies matrices of it: on CUDA, and on CPUs with Intel's AMX."""
    fast = device.type == "cuda" or (device.type == "cpu" and has_amx())
    return torch.bfloat16 if name == "bfloat16" or (name == "auto" and fast) else torch.float32


def memory_format(device: torch.device, precision: torch.dtype) -> torch.memory_format:
    """How convolutions should lay out images there.

    Channels last is what CUDA's tensor cores want, and AMX, for which it saves a seventh of a step. In float32 on a CPU
    it would save a thirtieth, but oneDNN's weight gradient of a strided 1x1 convolution then writes beyond its buffer
    for narrow layers (4 -> 8 channels, torch 2.15, seen on an AMD EPYC): other bits in every run, and a corrupted heap.
    """
    fits = device.type == "cuda" or (device.type == "cpu" and precision == torch.bfloat16 and has_amx())
    return torch.channels_last if fits else torch.contiguous_format


def prepare(device: torch.device, threads: int) -> None:
    """On a CPU only operations that give the same bits in every run, on so many threads; on CUDA the quickest ones.

    OpenMP's threads wait for each other by spinning: two of them on two cores that others use as well were measured at
    30 times the time of one.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)  # the linear algebra under NumPy and scikit-learn
    on_cuda = device.type == "cuda"
    torch.use_deterministic_algorithms(not on_cuda, warn_only=True)
    torch.backends.cudnn.benchmark = on_cuda  # every batch has the same shape: the search for the quickest pays once
    torch.set_float32_matmul_precision("highest")  # the views are such products; the networks' are bfloat16
