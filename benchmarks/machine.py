"""Describes the machine that a measurement ran on, for its record."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def describe_machine(*packages: str) -> dict[str, Any]:
    """Return processor, cores, accelerator, and the versions of Python and the named packages."""
    cuda = torch.cuda.is_available()
    return {
        "processor": find_processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if cuda else None,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def find_processor() -> str:
    """Return the processor's name, or what the platform says where /proc/cpuinfo does not tell."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
