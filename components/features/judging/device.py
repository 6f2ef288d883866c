"""Chooses the device on which features are judged."""

import torch

from components.learning.device import choose_device


def choose_judging_device(name: str, key: str) -> torch.device:
    """Choose as `choose_device` does, but `auto` is CUDA or the CPU: Apple's GPU has no double precision, which
    regressions need. Raises InputError, which names the `key` of params.yaml, if there is no such device."""
    return choose_device(name if name != "auto" or torch.cuda.is_available() else "cpu", key)
