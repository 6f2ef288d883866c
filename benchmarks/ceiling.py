"""The convolutions alone: the rate that no training step that runs these convolutions can exceed.

`python -m benchmarks.ceiling` needs PyTorch and torchvision and no images. It takes the convolutions of the encoder and
nothing else (no norm, no ReLU, no head, no optimiser) and times the forward pass and both gradients of each, in the
step's precision and layout, in rows between two synchronisations. It runs them on one view of the batch at a time, as
the step does. The first convolution needs no gradient of its input. A step of BYOL takes the forward pass and both
gradients of each view of the online network, and the forward pass of each view of the target network.
B images of a batch, C channels, H x W pixels.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import cifar10
from benchmarks.records import write_record
from benchmarks.rows import time_row
from components.encoder.build import build_encoder
from components.learning.device import choose_device, choose_memory_format, choose_precision, prepare_device
from components.learning.params import Views
from components.pretrain.params import Pretrain
from components.stage.command import exit_on_error

WARM_UP = 3  # repeats, in which cuDNN looks for the quickest algorithm


class Convolution(NamedTuple):
    """Holds what decides the time of a convolution, given the batch."""

    inputs: tuple[int, int, int]  # (C, H, W)
    outputs: int  # channels
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    first: bool  # whether it reads the images, which need no gradient


class Seconds(NamedTuple):
    """The seconds of one view of a batch."""

    forward: float
    input_gradient: float
    weight_gradient: float


def main() -> None:
    """Measure, print a line per convolution and the ceiling, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ceiling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="instead of the preset's")
    parser.add_argument("--steps", type=int, default=20, help="repeats in a row")
    asked = parser.parse_args()
    with exit_on_error("ceiling"):
        device = choose_device(asked.device, "--device")
        prepare_device(device, asked.threads)
        params = cifar10.read_settings(asked.preset, batch_size=asked.batch)
    found = measure_ceiling(params, device, asked.steps)
    for line in found["convolutions"]:
        print(line)
    print(f"convolutions alone: {found['images_per_second']:,.0f} images/s")
    precision = str(choose_precision(params.precision, device)).removeprefix("torch.")
    settings = {"preset": asked.preset, "batch": params.batch_size, "precision": precision, "steps": asked.steps}
    write_record(f"ceiling-{device.type}", {"settings": settings, **found}, "torch", "torchvision")


def measure_ceiling(params: Pretrain, device: torch.device, steps: int) -> dict[str, Any]:
    """Time every convolution of the encoder; return the rates, and images per second of a step of nothing else."""
    lines, total = [], Seconds(0.0, 0.0, 0.0)
    for convolution, count in find_convolutions(params).items():
        seconds = time_convolution(convolution, params, device, steps)
        total = Seconds(*(whole + count * part for whole, part in zip(total, seconds, strict=True)))
        lines.append({**convolution._asdict(), "count": count, "seconds": seconds._asdict()})
    step = sum_step(total, params.views)
    return {"images_per_second": params.batch_size / step, "seconds_per_view": total._asdict(), "convolutions": lines}


def sum_step(seconds: Seconds, views: Views) -> float:
    """Return the seconds of a step of BYOL, given those of one view of its batch."""
    online = len(views.list_online())
    target = len(views.list_target()) or online
    return online * sum(seconds) + target * seconds.forward


def find_convolutions(params: Pretrain) -> Counter[Convolution]:
    """Find the convolutions of the encoder and how often each is run, by running it on one image."""
    side, channels = params.images.side, params.images.channels
    encoder = build_encoder(params.encoder, channels=channels, side=side).eval()
    found: list[Convolution] = []

    def note(module: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        assert not isinstance(module.padding, str)
        depth, height, width = inputs[0].shape[1:]
        how = module.kernel_size, module.stride, module.padding, module.dilation, module.groups
        found.append(Convolution((depth, height, width), module.out_channels, *how, first=not found))

    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        encoder(torch.zeros(1, channels, side, side))
    return Counter(found)


def time_convolution(convolution: Convolution, params: Pretrain, device: torch.device, steps: int) -> Seconds:
    """Time a convolution of one view of the batch: forward, gradient of the input, gradient of the weights."""
    precision = choose_precision(params.precision, device)
    layout = choose_memory_format(device, precision)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=precision).contiguous(memory_format=layout)

    stride, padding, dilation, groups = convolution[3:7]
    images = draw(params.batch_size, *convolution.inputs)
    weights = draw(convolution.outputs, convolution.inputs[0] // groups, *convolution.kernel)
    gradient = torch.randn_like(F.conv2d(images, weights, None, stride, padding, dilation, groups))

    def compute_gradients(*, of_input: bool, of_weights: bool) -> Callable[[], Any]:
        how = stride, padding, dilation, False, (0, 0), groups, (of_input, of_weights, False)
        return lambda: torch.ops.aten.convolution_backward(gradient, images, weights, None, *how)

    works = [
        lambda: F.conv2d(images, weights, None, stride, padding, dilation, groups),
        compute_gradients(of_input=True, of_weights=False),
        compute_gradients(of_input=False, of_weights=True),
    ]
    forward, input_gradient, weight_gradient = (
        0.0 if work is works[1] and convolution.first else time_settled(work, device, steps) for work in works
    )
    return Seconds(forward, input_gradient, weight_gradient)


def time_settled(work: Callable[[], Any], device: torch.device, steps: int) -> float:
    """Return the seconds of the work in a row, after a shorter row that does not count."""
    time_row(work, device, min(WARM_UP, steps))
    return time_row(work, device, steps)


if __name__ == "__main__":
    main()
