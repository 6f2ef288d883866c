"""CIFAR-10 and its settings for the measurements that need neither a store nor DVC: PyTorch and torchvision suffice.

N images, C channels, S pixels per side.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from benchmarks.packed import is_packed, read_packed
from components.learning.engine import Engine, Way, start_engine
from components.learning.replicas import ALONE
from components.pretrain import loop as train
from components.pretrain.feeds.maker import build_batched_maker
from components.pretrain.feeds.resident import ResidentFeed
from components.pretrain.params import Pretrain
from components.pretrain.way import choose_way
from components.stage.command import PARAMS_FILE, check_params
from components.stage.errors import InputError
from presets.apply import apply_presets, to_plain

ROOT_HELP = "the folder that holds cifar-10-batches-py, or the packed part0.npz and part1.npz"


def read_cifar10(root: Path, *, test: bool) -> tuple[Tensor, Tensor]:
    """Read a split: images (N, 3, 32, 32) uint8 and labels (N,) int64. Raises InputError where CIFAR-10 is missing."""
    if is_packed(root):
        images, labels = read_packed(root, test=test)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    try:
        data = CIFAR10(str(root), train=not test)
    except RuntimeError:
        raise InputError(f"no cifar-10-batches-py and no part0.npz and part1.npz in '{root}'") from None
    return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets)


def read_settings(preset: str = "cifar10", **changes: Any) -> Pretrain:
    """Return the preset's section `pretrain` with some changed values; a change to None is ignored."""
    params: Pretrain = check_params(to_plain(apply_presets(PARAMS_FILE, [preset])), PARAMS_FILE).pretrain
    return params.model_copy(update={key: value for key, value in changes.items() if value is not None})


def start_run(
    params: Pretrain, images: Tensor, device: torch.device, way: Way | None = None
) -> tuple[train.State, Engine, ResidentFeed]:
    """Start a run as the stage does, up to its first step, with the images on the device.

    The way of its steps is the one that the stage would choose, unless one is given.
    """
    feed = ResidentFeed(images, build_batched_maker(params, device, ALONE))
    state = train.build_state(params, device, ALONE, steps_per_epoch=feed.steps_per_epoch)
    if way is None:
        way = choose_way(params, device, ALONE, steps=state.steps)
    return state, start_engine(state.objective.networks, params, device, ALONE, way), feed
