"""CIFAR-10 and its settings for the measurements that need neither a store nor DVC: PyTorch and torchvision suffice.

N images, C channels, S pixels per side.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from components.learning.engine import Engine, start_engine
from components.learning.replicas import Replica
from components.pretrain import loop as train
from components.pretrain.feeds.resident import ResidentFeed, build_pair_maker
from components.pretrain.params import Pretrain
from components.stage.command import PARAMS_FILE, check_params
from components.stage.errors import InputError
from presets.apply import apply_presets, to_plain

ALONE = Replica(0, 1)


def read_cifar10(root: Path, *, test: bool) -> tuple[Tensor, Tensor]:
    """Read a split: images (N, 3, 32, 32) uint8 and labels (N,). Raises InputError where CIFAR-10 is missing."""
    try:
        data = CIFAR10(str(root), train=not test)
    except RuntimeError as error:
        raise InputError(f"--cifar10: no cifar-10-batches-py in '{root}': {error}") from None
    return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets)


def read_settings(preset: str = "cifar10", **changes: Any) -> Pretrain:
    """Return the preset's section `pretrain` with some changed values; a change to None is ignored."""
    params: Pretrain = check_params(to_plain(apply_presets(PARAMS_FILE, [preset])), PARAMS_FILE).pretrain
    return params.model_copy(update={key: value for key, value in changes.items() if value is not None})


def start_run(params: Pretrain, images: Tensor, device: torch.device) -> tuple[train.State, Engine, ResidentFeed]:
    """Start a run as the stage does, up to its first step, with the images on the device."""
    feed = ResidentFeed(images, build_pair_maker(params, device, ALONE), device)
    state = train.build_state(params, device, ALONE, steps_per_epoch=feed.steps_per_epoch)
    return state, start_engine(state.objective.networks, params, device, ALONE), feed


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all the work that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
