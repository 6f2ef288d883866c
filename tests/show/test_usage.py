"""The cost of a run is the cost of all its parts, before and after an interruption."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import psutil
import pytest
import torch

from components.show import usage
from components.show.usage import Usage, measure_peak_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still except for `clock.now += 1`."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(usage, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The bytes and millijoules that a GPU's driver reports."""
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
    saved = first.read_cost()
    clock.now += 1000  # lost: after the last checkpoint, or nobody was there
    second = Usage(CPU, 1, saved)
    clock.now += 2
    assert second.read_cost()["seconds"] == pytest.approx(7)
    assert second.read_cost()["seconds"] == pytest.approx(7), "reading costs nothing"


def test_a_cpu_has_no_gpu_costs(clock: SimpleNamespace) -> None:
    assert Usage(CPU, 1, {}).read_cost().keys() == {"seconds", "peak_memory_bytes"}


def test_the_highest_memory_of_all_parts_counts(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    before = {"peak_memory_bytes": 1e15, "peak_gpu_memory_bytes": 9000.0}
    high = Usage(CUDA, 1, before).read_cost()
    assert (high["peak_memory_bytes"], high["peak_gpu_memory_bytes"]) == (1e15, 9000)
    gpu.bytes = 10_000
    assert Usage(CUDA, 1, {"peak_memory_bytes": 1.0, "peak_gpu_memory_bytes": 9000.0}).read_cost() == {
        "seconds": 0,
        "peak_memory_bytes": pytest.approx(measure_peak_memory(), rel=0.1),
        "peak_gpu_memory_bytes": 10_000,
        "gpu_hours": 0,
        "gpu_energy_joules": 0,
    }


def test_every_process_pays_for_its_gpu(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    """Two hours before the interruption and one after it, on four GPUs, are twelve GPU-hours."""
    resumed = Usage(CUDA, 4, {"seconds": 7200.0})
    clock.now += 3600
    assert resumed.read_cost()["gpu_hours"] == pytest.approx(12)


def test_energy_is_what_the_counter_went_up_by(clock: SimpleNamespace, gpu: SimpleNamespace) -> None:
    first = Usage(CUDA, 1, {})
    gpu.millijoules += 30_000
    saved = first.read_cost()
    gpu.millijoules += 10**9  # others' work in between
    second = Usage(CUDA, 1, saved)
    gpu.millijoules += 2_000
    assert second.read_cost()["gpu_energy_joules"] == pytest.approx(32)


def remove_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)


def deny_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: object) -> int:
        raise PermissionError

    monkeypatch.setattr("pynvml.nvmlDeviceGetTotalEnergyConsumption", refuse)


@pytest.mark.parametrize("break_driver", [remove_package, deny_permission])
def test_energy_that_nobody_tells_is_left_out_and_stops_nothing(
    break_driver: Callable[[pytest.MonkeyPatch], None],
    clock: SimpleNamespace,
    gpu: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_driver(monkeypatch)
    assert Usage(CUDA, 1, {}).read_cost().keys() == {
        "seconds",
        "peak_memory_bytes",
        "peak_gpu_memory_bytes",
        "gpu_hours",
    }


def test_the_peak_is_in_bytes() -> None:
    """A wrong unit would be wrong by a factor of 1024."""
    now = psutil.Process().memory_info().rss
    assert now * 0.9 <= measure_peak_memory() < 30 * now
