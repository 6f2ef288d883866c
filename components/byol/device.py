"""Which device a stage computes on, and what makes the same seed give the same bits there."""

import torch
from threadpoolctl import threadpool_limits

from components.params.base import InputError


def choose_device(name: str, key: str) -> torch.device:
    """`auto` takes the first of cuda, mps, cpu that is there. Raises InputError where the named one is not."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    device = torch.device(name)
    if not available[device.type] or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise InputError(f"params.yaml: {key}: there is no device '{name}' here; there is {there} (or say auto)")
    return device


def memory_format(device: torch.device) -> torch.memory_format:
    """How convolutions should lay out images there.

    Channels last is what CUDA's tensor cores want. On a CPU it would save a tenth of a step, but oneDNN's weight
    gradient of a strided 1x1 convolution then writes beyond its buffer for narrow layers (4 -> 8 channels, torch 2.15):
    other bits in every run, and a corrupted heap.
    """
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def be_deterministic(threads: int) -> None:
    """Only operations that give the same bits in every run, as far as the device has them, on so many CPU threads.

    OpenMP's threads wait for each other by spinning: two of them on two cores that others use as well were measured at
    30 times the time of one.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)  # the linear algebra under NumPy and scikit-learn
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
