"""CIFAR-10 and its setting for the measurements that need neither a store nor DVC, but PyTorch and torchvision alone.

N images, C channels, S pixels a side.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from components.learning.engine import Engine, start_engine
from components.learning.replicas import Replica
from components.pretrain import loop as train
from components.pretrain.feeds.resident import ResidentFeed, start_maker
from components.pretrain.params import Pretrain
from components.stage.command import PARAMS_FILE, check_params
from components.stage.errors import InputError
from presets.apply import plain, with_presets

ALONE = Replica(0, 1)


def read(root: Path, *, test: bool) -> tuple[Tensor, Tensor]:
    """(N, 3, 32, 32) uint8 and labels (N,). Raises InputError where there is no CIFAR-10."""
    try:
        data = CIFAR10(str(root), train=not test)
    except RuntimeError as error:
        raise InputError(f"--cifar10: no cifar-10-batches-py in '{root}': {error}") from None
    return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets)


def setting(preset: str = "cifar10", **changes: Any) -> Pretrain:
    """The preset's `pretrain`, but for the changes; those that are None are none."""
    params: Pretrain = check_params(plain(with_presets(PARAMS_FILE, [preset])), PARAMS_FILE).pretrain
    return params.model_copy(update={key: value for key, value in changes.items() if value is not None})


def start(params: Pretrain, images: Tensor, device: torch.device) -> tuple[train.State, Engine, ResidentFeed]:
    """A run before its first step, its images on the device, as the stage begins one."""
    feed = ResidentFeed(images, start_maker(params, device, ALONE), device)
    state = train.begin(params, device, ALONE, steps_per_epoch=feed.steps_per_epoch)
    return state, start_engine(state.objective.networks, params, device, ALONE), feed


def synchronise(device: torch.device) -> None:
    """Until the device has done all that it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
