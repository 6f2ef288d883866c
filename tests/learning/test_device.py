"""Tests what the hardware decides: device, precision and memory layout."""

from collections.abc import Iterator

import pytest
import torch

from components.learning import device
from components.learning.device import choose_device, choose_memory_format, choose_precision, prepare_device
from components.stage.errors import InputError
from components.stage.types import Precision

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
HALF, FULL = torch.bfloat16, torch.float32


@pytest.fixture
def switches() -> Iterator[None]:
    """Put PyTorch's switches back as they were."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    searching, warning = torch.backends.cudnn.benchmark, torch.is_deterministic_algorithms_warn_only_enabled()
    yield
    prepare_device(CPU, threads)
    torch.use_deterministic_algorithms(deterministic, warn_only=warning)
    torch.backends.cudnn.benchmark = searching


@pytest.fixture
def amx(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(device, "has_amx", lambda: request.param)
    return bool(request.param)


@pytest.mark.parametrize(
    ("amx", "where", "asked", "expected"),
    [
        (False, CUDA, "auto", HALF),
        (True, CPU, "auto", HALF),
        (False, CPU, "auto", FULL),
        (True, MPS, "auto", FULL),
        (True, CPU, "float32", FULL),
        (False, CPU, "bfloat16", HALF),
        (False, CUDA, "float32", FULL),
    ],
    indirect=["amx"],
)
@pytest.mark.usefixtures("amx")
def test_auto_is_half_precision_where_the_hardware_has_it(
    where: torch.device, asked: Precision, expected: torch.dtype
) -> None:
    assert choose_precision(asked, where) == expected


@pytest.mark.parametrize(
    ("amx", "where", "precision", "last"),
    [
        (False, CUDA, FULL, True),
        (False, CUDA, HALF, True),
        (True, CPU, HALF, True),
        (True, CPU, FULL, False),
        (False, CPU, HALF, False),
        (True, MPS, HALF, False),
    ],
    indirect=["amx"],
)
@pytest.mark.usefixtures("amx")
def test_channels_come_last_where_that_is_fast_and_safe(
    where: torch.device, precision: torch.dtype, last: bool
) -> None:
    """In other cases on a CPU, channels last gave different bits in every run."""
    expected = torch.channels_last if last else torch.contiguous_format
    assert choose_memory_format(where, precision) == expected


def test_a_device_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"pretrain\.device: there is no device 'cuda:0' here; there is .*cpu"):
        choose_device("cuda", "pretrain.device")


def test_auto_takes_the_cpu_where_there_is_nothing_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto", "pretrain.device") == CPU


@pytest.mark.parametrize(
    ("where", "asked", "repeats", "refuses"),
    [(CPU, False, True, False), (CPU, True, True, False), (CUDA, False, False, False), (CUDA, True, True, True)],
)
@pytest.mark.usefixtures("switches")
def test_bits_repeat_on_a_cpu_and_where_they_are_asked_for(
    where: torch.device, asked: bool, repeats: bool, refuses: bool
) -> None:
    """On CUDA who asks is told of an operation that cannot; who does not ask gets the quickest ones."""
    prepare_device(where, 1, deterministic=asked)
    assert torch.are_deterministic_algorithms_enabled() is repeats
    assert (repeats and not torch.is_deterministic_algorithms_warn_only_enabled()) is refuses
    assert torch.backends.cudnn.benchmark is not repeats
