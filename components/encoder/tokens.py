"""Tells whether a network is a transformer: whether it mixes places by attention, or knows patches alone.

Attention is a product of two tensors that both come from the images; a convolution or a layer multiplies what comes
from the images with weights. So it is found whatever the classes of the network are called.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum")
NAMED = ("attention", "transformer")  # in the names of PyTorch's own fused operations


class Tracer(TorchFunctionMode):
    """Follows what becomes of the images in a forward pass."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.seen = {id(images): images}  # held, so that no id is given twice
        self.attends = False
        self.convolutions: list[bool] = []  # in their order, whether it cuts the image into patches

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note what it is."""
        result = func(*args, **(kwargs or {}))
        given = flatten([args, kwargs or {}])
        marked = sum(id(tensor) in self.seen for tensor in given)
        name = getattr(func, "__name__", "")
        if marked:
            self.attends |= any(part in name for part in NAMED) or (name in PRODUCTS and marked > 1)
            for tensor in flatten(result):
                self.seen[id(tensor)] = tensor
        if name == "conv2d" and max(args[1].shape[2:]) > 1:
            self.convolutions.append(is_patching(args, kwargs or {}))
        return result


def flatten(value: Any) -> list[Tensor]:
    """List the tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for part in value for tensor in flatten(part)] if isinstance(value, (list, tuple)) else []


def is_patching(args: Any, kwargs: Any) -> bool:
    """Whether the arguments of conv2d are those of patches side by side: a stride as large as the kernel."""
    stride = kwargs.get("stride", args[3] if len(args) > 3 else 1)
    strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
    return bool(strides == tuple(args[1].shape[2:]))


def is_transformer(network: nn.Module, *, channels: int, side: int) -> bool:
    """Whether the network attends, or has no convolution but the one that makes patches."""
    device = next(network.parameters()).device
    images, training = torch.zeros(2, channels, side, side, device=device), network.training
    network.eval()
    with torch.no_grad(), Tracer(images) as tracer:
        network(images)
    network.train(training)
    return bool(tracer.attends) or tracer.convolutions == [True]
