"""A second implementation of BYOL, by plain formulas in float64 over a dictionary of tensors."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.byol.objective import Online

MOMENTUM, DECAY = 0.9, 0.01


class Reference:
    """A network by formulas: `values` are parameters, `running` BatchNorm statistics, named as in the modules."""

    def __init__(self, network: nn.Module) -> None:
        self.values = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
        self.running = {name: tensor.clone() for name, tensor in network.named_buffers() if "num_batches" not in name}

    def norm(self, x: Tensor, at: str) -> Tensor:
        """Normalise as (x - mean) / sqrt(var + eps) over the batch; running values keep nine tenths at each update."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = x.numel() // x.shape[1]
        mean = x.mean(axes)
        var = ((x - mean.reshape(shape)) ** 2).mean(axes)
        for name, new in (("mean", mean), ("var", var * count / (count - 1))):
            self.running[f"{at}.running_{name}"] = 0.9 * self.running[f"{at}.running_{name}"] + 0.1 * new.detach()
        scaled = (x - mean.reshape(shape)) / (var.reshape(shape) + 1e-5).sqrt()
        return scaled * self.values[f"{at}.weight"].reshape(shape) + self.values[f"{at}.bias"].reshape(shape)

    def conv(self, x: Tensor, at: str, *, stride: int = 1) -> Tensor:
        """Convolve with a padding by which stride 1 keeps the side."""
        weight = self.values[f"{at}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def block(self, x: Tensor, at: str, *, stride: int, shortcut: bool) -> Tensor:
        """Apply He et al.'s basic block."""
        inner = self.norm(self.conv(x, f"{at}.conv1", stride=stride), f"{at}.bn1").clamp(min=0)
        inner = self.norm(self.conv(inner, f"{at}.conv2"), f"{at}.bn2")
        if shortcut:
            x = self.norm(self.conv(x, f"{at}.downsample.0", stride=stride), f"{at}.downsample.1")
        return (inner + x).clamp(min=0)

    def encode(self, x: Tensor, at: str) -> Tensor:
        """Encode images: (B, C, S, S) -> (B, D)."""
        x = self.norm(self.conv(x, f"{at}.0"), f"{at}.1").clamp(min=0)
        x = self.block(x, f"{at}.3", stride=1, shortcut=False)
        x = self.block(x, f"{at}.4", stride=2, shortcut=True)
        return x.mean((2, 3))

    def head(self, x: Tensor, at: str) -> Tensor:
        """Apply the projector or the predictor."""
        hidden = x @ self.values[f"{at}.0.weight"].T + self.values[f"{at}.0.bias"]
        return self.norm(hidden, f"{at}.1").clamp(min=0) @ self.values[f"{at}.3.weight"].T


def distance(p: Tensor, z: Tensor) -> Tensor:
    p, z = p / (p**2).sum(1, keepdim=True).sqrt(), z / (z**2).sum(1, keepdim=True).sqrt()
    return ((p - z) ** 2).sum(1).mean()


class ReferenceByol:
    """Algorithm 1 of the paper with SGD. In the target's names, 0 is the encoder and 1 is the projector."""

    def __init__(self, online: Online) -> None:
        self.online = Reference(online)
        self.target = Reference(copy.deepcopy(nn.Sequential(online.encoder, online.projector)))
        self.velocity = {name: torch.zeros_like(value) for name, value in self.online.values.items()}

    def step(self, pair: tuple[Tensor, Tensor], *, rate: float, tau: float) -> float:
        """Take a training step: predict, descend, and let the target follow. Return the loss before the step."""
        online, target = self.online, self.target
        online.values = {name: value.requires_grad_() for name, value in online.values.items()}
        p0, p1 = (online.head(online.head(online.encode(view, "encoder"), "projector"), "predictor") for view in pair)
        with torch.no_grad():
            z0, z1 = (target.head(target.encode(view, "0"), "1") for view in pair)
        loss = distance(p0, z1) + distance(p1, z0)
        gradients = torch.autograd.grad(loss, list(online.values.values()))
        for (name, value), gradient in zip(list(online.values.items()), gradients, strict=True):
            decayed = gradient + (DECAY * value.detach() if value.ndim > 1 else 0)
            self.velocity[name] = MOMENTUM * self.velocity[name] + decayed
            online.values[name] = value.detach() - rate * self.velocity[name]
        for name, value in target.values.items():
            part, rest = name.split(".", 1)
            source = online.values[f"{'encoder' if part == '0' else 'projector'}.{rest}"]
            target.values[name] = tau * value + (1 - tau) * source
        return loss.item()
