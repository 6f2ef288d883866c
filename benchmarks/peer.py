"""Trains lightly's BYOL on CIFAR-10, its modules wired as in its example (lightly 1.6.0, examples/pytorch/byol.py).

Two things differ from the example because the comparison needs them: the network is the ResNet-18 for small images that
ours is measured with, and precision, layout and compilation can be set, so that lightly's best can be measured.
B images, P outputs of the projector.
"""

import copy
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from components.byol.params import Head
from components.stage.errors import InputError

try:
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
except ImportError as error:
    raise InputError(f"lightly is not installed ({error}): `make peers` installs it") from None


class LightlyNetworks(nn.Module):
    """The online and the momentum network of lightly's example."""

    def __init__(self, backbone: nn.Module, features: int, head: Head) -> None:
        super().__init__()
        self.online = nn.Sequential(
            backbone,
            BYOLProjectionHead(features, head.hidden, head.out),
            BYOLPredictionHead(head.out, head.hidden, head.out),
        )
        self.momentum = copy.deepcopy(self.online[:2])
        deactivate_requires_grad(self.momentum)


class LightlyLoop:
    """Runs the training loop of lightly's example, one step at a time."""

    def __init__(
        self, backbone: nn.Module, features: int, head: Head, device: torch.device, *, half: bool, tuned: bool
    ) -> None:
        """Build the networks. `half` means bfloat16 by autocast; `tuned` adds channels-last layout and compilation."""
        layout = torch.channels_last if tuned else torch.contiguous_format
        self.model = LightlyNetworks(backbone, features, head).to(device).to(memory_format=layout)
        self.predict: Any = torch.compile(self.model.online) if tuned else self.model.online
        self.project: Any = torch.compile(self.model.momentum) if tuned else self.model.momentum
        self.device, self.half, self.layout = device, half, layout
        self.criterion = NegativeCosineSimilarity()
        self.optimiser = torch.optim.SGD(self.model.online.parameters(), lr=0.06)

    def step(self, x0: Tensor, x1: Tensor) -> Tensor:
        """Train on two views (B, C, S, S) on any device and return the loss ()."""
        update_momentum(self.model.online[:2], self.model.momentum, m=0.996)
        x0 = x0.to(self.device).to(memory_format=self.layout)
        x1 = x1.to(self.device).to(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            p0, p1 = self.predict(x0), self.predict(x1)  # (B, P) each
            z0, z1 = self.project(x0).detach(), self.project(x1).detach()
            loss: Tensor = 0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()


class Pictures(Dataset[Any]):
    """Images with lightly's views, as torchvision's data set of CIFAR-10 hands them to a transform."""

    def __init__(self, images: Tensor) -> None:
        """Keep the images, (N, 3, S, S) uint8, in the layout of pictures."""
        self.pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        side = images.shape[-1]
        self.transform = BYOLTransform(
            view_1_transform=BYOLView1Transform(input_size=side, gaussian_blur=0.0),
            view_2_transform=BYOLView2Transform(input_size=side, gaussian_blur=0.0),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> Any:
        return self.transform(Image.fromarray(self.pixels[row]))


def make_loader(images: Tensor, *, batch_size: int, workers: int) -> DataLoader[Any]:
    """Make the example's data loader over images, (N, 3, S, S) uint8; its workers stay from epoch to epoch."""
    return DataLoader(
        Pictures(images),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
