"""The cost of a run: seconds, GPU-hours, peak memory, and energy if the driver reports it."""

import sys
import time
from contextlib import suppress
from typing import Any

import psutil
import torch


class Usage:
    """Counts the cost from its creation on, and adds the cost of the run before it was interrupted."""

    def __init__(self, device: torch.device, processes: int, before: dict[str, float]) -> None:
        self.device, self.processes, self.before = device, processes, before
        self.started = time.perf_counter()
        self.first_joules = self._read_joules()

    def read_cost(self) -> dict[str, float]:
        """Return the cost so far, without what cannot be measured on this machine."""
        cost = {"seconds": time.perf_counter() - self.started + self.before.get("seconds", 0.0)}
        cost["peak_memory_bytes"] = max(float(measure_peak_memory()), self.before.get("peak_memory_bytes", 0.0))
        if self.device.type == "cuda":
            peak = float(torch.cuda.max_memory_allocated(self.device))
            cost["peak_gpu_memory_bytes"] = max(peak, self.before.get("peak_gpu_memory_bytes", 0.0))
            cost["gpu_hours"] = cost["seconds"] * self.processes / 3600
        joules = self._read_joules()
        if joules is not None and self.first_joules is not None:
            cost["gpu_energy_joules"] = joules - self.first_joules + self.before.get("gpu_energy_joules", 0.0)
        return cost

    def _read_joules(self) -> float | None:
        """Read the GPUs' energy counters; return None without NVIDIA's library or if a GPU is on another machine."""
        if self.device.type != "cuda":
            return None
        with suppress(Exception):  # the library is missing, access is denied, or an older GPU has no counter
            import pynvml as driver

            driver.nvmlInit()
            joules = 0.0
            for gpu in [self.device] if self.processes == 1 else range(self.processes):
                properties: Any = torch.cuda.get_device_properties(gpu)
                handle: Any = driver.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
                joules += float(driver.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
            return joules
        return None


def measure_peak_memory() -> int:
    """Return the peak memory of this process in bytes; the system counts in KiB on Linux and in bytes on macOS."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
