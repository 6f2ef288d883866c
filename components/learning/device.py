"""Chooses the device and precision of a stage, and makes the same seed give the same bits on a CPU."""

from typing import Any

import torch
from threadpoolctl import threadpool_limits

from components.learning.replicas import Network, get_local_rank
from components.stage.errors import InputError
from components.stage.types import Precision


def choose_device(name: str, key: str) -> torch.device:
    """Choose the device: `auto` takes the first of cuda, mps and cpu that exists, `cuda` the GPU of this process.

    Raises InputError if the named device does not exist; `key` is the key of params.yaml that names it.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, exists in available.items() if exists)
    if name == "cuda":
        name = f"cuda:{get_local_rank()}"
    device = torch.device(name)
    if not available[device.type] or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        existing = ", ".join(kind for kind, exists in available.items() if exists)
        raise InputError(f"params.yaml: {key}: there is no device '{name}' here; there is {existing} (or say auto)")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def has_amx() -> bool:
    """Whether this CPU multiplies matrices of bfloat16 in hardware: Intel's AMX."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 lacks it
    return bool(capabilities.get("amx_bf16", False))


def choose_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Choose the precision: `auto` is bfloat16 on CUDA and on CPUs with Intel's AMX, which multiply it in hardware."""
    fast = device.type == "cuda" or (device.type == "cpu" and has_amx())
    return torch.bfloat16 if name == "bfloat16" or (name == "auto" and fast) else torch.float32


def choose_memory_format(device: torch.device, precision: torch.dtype) -> torch.memory_format:
    """Choose the memory layout of images for convolutions on a device.

    CUDA's tensor cores and AMX want channels last; with AMX it saves a seventh of a step. In float32 on a CPU
    it would save a thirtieth, but oneDNN's weight gradient of a strided 1x1 convolution then writes beyond its buffer
    for narrow layers (4 -> 8 channels, torch 2.15, seen on an AMD EPYC), which changes the bits in every
    run and corrupts the heap.
    """
    fits = device.type == "cuda" or (device.type == "cpu" and precision == torch.bfloat16 and has_amx())
    return torch.channels_last if fits else torch.contiguous_format


def place_network(network: Network, device: torch.device, precision: torch.dtype) -> Network:
    """Move a network to the device, in the memory layout that suits its convolutions there."""
    return network.to(device).to(memory_format=choose_memory_format(device, precision))


def compute_in(precision: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the context in which networks on the device compute in the given precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16)


def choose_double_device(device: torch.device) -> torch.device:
    """Choose where numbers of this device are computed with in double precision, which MPS lacks."""
    return torch.device("cpu") if device.type == "mps" else device


def prepare_device(device: torch.device, threads: int, *, deterministic: bool = False) -> None:
    """Set the number of threads; allow only operations that repeat their bits, or on CUDA, if asked, the quickest ones.

    OpenMP's threads wait for each other by spinning: two threads on two cores that other programs use as well were
    measured at 30 times the time of one.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)  # the linear algebra under NumPy and scikit-learn
    quickest = device.type == "cuda" and not deterministic
    if device.type == "cuda" and deterministic:
        torch.use_deterministic_algorithms(True)  # those of the compiler too
    else:  # the same switch, but this spelling does not import the compiler, which takes a second
        torch.set_deterministic_debug_mode("default" if quickest else "warn")
    torch.backends.cudnn.benchmark = quickest  # all batches have one shape: one search for the quickest
    torch.set_float32_matmul_precision("highest")  # for the views; the networks multiply bfloat16
