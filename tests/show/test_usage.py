"""The cost of a run is that of all its parts, before and after an interruption."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import psutil
import pytest
import torch

from components.show import usage
from components.show.usage import Usage, peak_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still but for `clock.now += 1`."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(usage, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a GPU's driver would tell: bytes and millijoules."""
    gpu = SimpleNamespace(bytes=7000, millijoules=5_000_000)
    driver = ModuleType("pynvml")
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: {"GPU-a-b": gpu.millijoules}[handle],
    }.items():
        setattr(driver, name, answer)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", driver)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: gpu.bytes)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="a-b"))
    return gpu


def test_seconds_are_added_to_those_before_the_interruption(clock: SimpleNamespace) -> None:
    first = Usage(CPU, 1, {})
    clock.now += 5
    saved = first.read()
    clock.now += 1000  # lost: after the last checkpoint, or nobody was there
    second = Usage(CPU, 1, saved)
    clock.now += 2
    assert second.read()["seconds"] == pytest.approx(7)
    assert second.read()["seconds"] == pytest.approx(7), "reading costs nothing"


def test_a_cpu_has_no_gpu_costs(clock: SimpleNamespace) -> None:
    assert Usage(CPU, 1, {}).read().keys() == {"seconds", "peak_memory_bytes"}


def test_the_highest_memory_of_all_parts_counts(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    before = {"peak_memory_bytes": 1e15, "peak_gpu_memory_bytes": 9000.0}
    high = Usage(CUDA, 1, before).read()
    assert (high["peak_memory_bytes"], high["peak_gpu_memory_bytes"]) == (1e15, 9000)
    gpu.bytes = 10_000
    assert Usage(CUDA, 1, {"peak_memory_bytes": 1.0, "peak_gpu_memory_bytes": 9000.0}).read() == {
        "seconds": 0,
        "peak_memory_bytes": pytest.approx(peak_memory(), rel=0.1),
        "peak_gpu_memory_bytes": 10_000,
        "gpu_hours": 0,
        "gpu_energy_joules": 0,
    }


def test_every_process_pays_for_its_gpu(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    """Two hours before and one now, on four GPUs."""
    resumed = Usage(CUDA, 4, {"seconds": 7200.0})
    clock.now += 3600
    assert resumed.read()["gpu_hours"] == pytest.approx(12)


def test_energy_is_what_the_counter_went_up_by(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    first = Usage(CUDA, 1, {})
    gpu.millijoules += 30_000
    saved = first.read()
    gpu.millijoules += 10**9  # others' work in between
    second = Usage(CUDA, 1, saved)
    gpu.millijoules += 2_000
    assert second.read()["gpu_energy_joules"] == pytest.approx(32)


def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)


def no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: object) -> int:
        raise PermissionError

    monkeypatch.setattr("pynvml.nvmlDeviceGetTotalEnergyConsumption", refuse)


@pytest.mark.parametrize("lack", [no_package, no_permission])
def test_energy_that_nobody_tells_is_left_out_and_stops_nothing(
    lack: Callable[[pytest.MonkeyPatch], None],
    clock: SimpleNamespace,
    gpu: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lack(monkeypatch)
    assert Usage(CUDA, 1, {}).read().keys() == {"seconds", "peak_memory_bytes", "peak_gpu_memory_bytes", "gpu_hours"}


def test_the_peak_is_in_bytes() -> None:
    """A unit too large or too small is a factor of 1024."""
    now = psutil.Process().memory_info().rss
    assert now * 0.9 <= peak_memory() < 30 * now
