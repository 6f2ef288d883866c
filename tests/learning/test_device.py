"""Tests what the hardware decides: device, precision and memory layout."""

import pytest
import torch

from components.learning import device
from components.learning.device import choose_device, choose_memory_format, choose_precision
from components.stage.errors import InputError
from components.stage.types import Precision

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
HALF, FULL = torch.bfloat16, torch.float32


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
