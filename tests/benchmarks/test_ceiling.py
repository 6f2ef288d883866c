"""The convolutions alone are those of the network: as many, and as much arithmetic."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cifar10
from benchmarks.ceiling import Seconds, find_convolutions, measure_ceiling, sum_step
from components.encoder.build import build_encoder
from components.encoder.params import TinyResNet
from components.learning.params import Views
from tests.conftest import EVERYTHING_OFF

CPU = torch.device("cpu")


def count_operations(convolutions: dict) -> int:  # type: ignore[type-arg]
    total = 0
    for found, count in convolutions.items():
        channels, height, width = found.inputs
        outputs = [
            (size + 2 * pad - kernel) // stride + 1
            for size, pad, kernel, stride in zip(
                (height, width), found.padding, found.kernel, found.stride, strict=True
            )
        ]
        total += 2 * count * channels * found.outputs * found.kernel[0] * found.kernel[1] * outputs[0] * outputs[1]
    return total


def test_every_convolution_of_a_resnet_is_found_with_its_size() -> None:
    params = cifar10.read_settings()
    found = find_convolutions(params)
    assert sum(found.values()) == 20
    assert [convolution.first for convolution in found].count(True) == 1
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        build_encoder(params.encoder, channels=3, side=32).eval()(torch.zeros(1, 3, 32, 32))
    assert count_operations(found) == counter.get_total_flops()


@pytest.mark.parametrize(("online", "target", "expected"), [(2, None, 2 * 7 + 2), (2, 1, 2 * 7 + 1), (4, 2, 4 * 7 + 2)])
def test_a_step_is_three_passes_of_each_online_view_and_one_of_each_target_view(
    online: int, target: int | None, expected: float
) -> None:
    raw = {"online": online, "first": EVERYTHING_OFF, "second": {}, "target": target and {"count": target}}
    views = Views.model_validate(raw)
    assert sum_step(Seconds(forward=1, input_gradient=2, weight_gradient=4), views) == expected


def test_the_rate_is_that_of_the_batch_in_the_time_of_the_step() -> None:
    network = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)
    params = cifar10.read_settings(encoder=network, batch_size=4)
    found = measure_ceiling(params, CPU, 1)
    step = sum_step(Seconds(**found["seconds_per_view"]), params.views)
    assert found["images_per_second"] == pytest.approx(4 / step)
    assert all(convolution["seconds"]["forward"] > 0 for convolution in found["convolutions"])
