"""What a run costs: seconds, GPU-hours, peak memory, and energy where the driver tells."""

import sys
import time
from contextlib import suppress
from typing import Any

import psutil
import torch


class Usage:
    """Counts from its making on, added to what the run had cost before it was interrupted."""

    def __init__(self, device: torch.device, processes: int, before: dict[str, float]) -> None:
        self.device, self.processes, self.before = device, processes, before
        self.started = time.perf_counter()
        self.joules_before = self._joules()

    def read(self) -> dict[str, float]:
        """The cost so far; what cannot be known here is left out."""
        cost = {"seconds": time.perf_counter() - self.started + self.before.get("seconds", 0.0)}
        cost["peak_memory_bytes"] = max(float(peak_memory()), self.before.get("peak_memory_bytes", 0.0))
        if self.device.type == "cuda":
            peak = float(torch.cuda.max_memory_allocated(self.device))
            cost["peak_gpu_memory_bytes"] = max(peak, self.before.get("peak_gpu_memory_bytes", 0.0))
            cost["gpu_hours"] = cost["seconds"] * self.processes / 3600
        joules = self._joules()
        if joules is not None and self.joules_before is not None:
            cost["gpu_energy_joules"] = joules - self.joules_before + self.before.get("gpu_energy_joules", 0.0)
        return cost

    def _joules(self) -> float | None:
        """The GPUs' own counters, where NVIDIA's library is there to read them; nothing where some are on other
        machines."""
        if self.device.type != "cuda":
            return None
        with suppress(Exception):  # not installed, no permission, or an older GPU without a counter: it is left out
            import pynvml as driver

            driver.nvmlInit()
            joules = 0.0
            for gpu in [self.device] if self.processes == 1 else range(self.processes):
                properties: Any = torch.cuda.get_device_properties(gpu)
                handle: Any = driver.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
                joules += float(driver.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
            return joules
        return None


def peak_memory() -> int:
    """Of this process, in bytes; the system counts in kibibytes on Linux and in bytes on macOS."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
