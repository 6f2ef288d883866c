"""models/encoder as it is used: `load_encoder(folder).embed(images)`. No pickle is involved.

N, B images, C channels, H, W, S pixels a side, D features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from components.encoder.build import build_encoder
from components.encoder.normalise import normalise
from components.encoder.saved import CONFIG, WEIGHTS, Config
from components.features.inputs import as_list, to_square
from components.stage.errors import InputError

BATCH = 256  # images that `embed` holds as squares at a time


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder ready to embed, in eval mode."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, D)
    config: Config

    def embed(self, images: Any) -> np.ndarray:
        """Pillow images, one or a list, or arrays (N, H, W) or (N, H, W, C) of uint8 -> (N, D) float32.

        Any mode, any size: they are turned upright, scaled to cover a square and cut to it, as the store's images are.
        Raises InputError for what cannot be read so.
        """
        shape, listed = self.config.images, as_list(images)
        parts = [np.empty((0, self.config.features), np.float32)]
        for first in range(0, len(listed), BATCH):
            squares = [
                to_square(one, side=shape.side, channels=shape.channels, name=f"images[{number}]")
                for number, one in enumerate(listed[first : first + BATCH], first)
            ]
            with torch.inference_mode():
                parts.append(self.features(torch.from_numpy(np.stack(squares))).float().cpu().numpy())
        return np.concatenate(parts)

    def features(self, squares: Tensor) -> Tensor:
        """(B, C, S, S) uint8 -> (B, D), on the device where the network is."""
        device = next(self.network.parameters()).device
        features: Tensor = self.network(normalise(squares.to(device), self.config.images))
        return features


def load_encoder(folder: str | Path, device: str | torch.device = "cpu") -> LoadedEncoder:
    """Read what pretraining wrote. Raises InputError where the folder holds no encoder or not this one's weights."""
    folder = Path(folder)
    config = read_config(folder)
    network = untrained_encoder(config)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise no_encoder(folder, error) from None
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS}: not the weights of {CONFIG}: {str(error).splitlines()[0]}") from None
    return LoadedEncoder(network.to(device), config)


def read_config(folder: Path) -> Config:
    """What the encoder is, without its weights. Raises InputError."""
    try:
        return Config.model_validate_json((folder / CONFIG).read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise no_encoder(folder, error) from None
    except ValidationError as error:
        raise InputError(f"{folder / CONFIG}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None


def no_encoder(folder: Path, error: OSError) -> InputError:
    """One of its files is not there."""
    return InputError(f"{folder}: no encoder here ({error.filename} is missing); `dvc repro pretrain` makes it")


def untrained_encoder(config: Config) -> nn.Module:
    """The same network with the weights that its training began with, in eval mode; no one else's dice are moved."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(config.seed)
        return build_encoder(config.encoder, channels=config.images.channels, side=config.images.side).eval()
