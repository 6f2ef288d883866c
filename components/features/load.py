"""Loads models/encoder for use: `load_encoder(folder).embed(images)`. No pickle is involved.

N images, B images of a batch, C channels, H x W pixels, S pixels per side of a square, D features.
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
from components.features.inputs import list_images, to_square
from components.stage.errors import InputError

BATCH = 256  # images that `embed` holds as squares at a time


@dataclass(frozen=True)
class LoadedEncoder:
    """A loaded encoder in eval mode, ready to embed images."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, D)
    config: Config

    def embed(self, images: Any) -> np.ndarray:
        """Embed a Pillow image or a list of them, or an array (N, H, W) or (N, H, W, C) of uint8 -> (N, D) float32.

        Images of any mode and size are turned upright, scaled to cover a square and cut to it, as the store's images
        are. Raises InputError for anything else.
        """
        shape, listed = self.config.images, list_images(images)
        parts = [np.empty((0, self.config.features), np.float32)]
        for first in range(0, len(listed), BATCH):
            squares = [
                to_square(image, side=shape.side, channels=shape.channels, name=f"images[{number}]")
                for number, image in enumerate(listed[first : first + BATCH], first)
            ]
            with torch.inference_mode():
                parts.append(self.compute_features(torch.from_numpy(np.stack(squares))).float().cpu().numpy())
        return np.concatenate(parts)

    def compute_features(self, squares: Tensor) -> Tensor:
        """Compute the features of squares on the network's device: (B, C, S, S) uint8 -> (B, D)."""
        device = next(self.network.parameters()).device
        features: Tensor = self.network(normalise(squares.to(device), self.config.images))
        return features


def load_encoder(folder: str | Path, device: str | torch.device = "cpu") -> LoadedEncoder:
    """Load what pretraining wrote. Raises InputError if the folder holds no encoder, or weights of another one."""
    folder = Path(folder)
    config = read_config(folder)
    network = build_untrained_encoder(config)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise make_missing_error(folder, error) from None
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS}: not the weights of {CONFIG}: {str(error).splitlines()[0]}") from None
    return LoadedEncoder(network.to(device), config)


def read_config(folder: Path) -> Config:
    """Read what config.json says about the encoder. Raises InputError if it is missing or wrong."""
    try:
        return Config.model_validate_json((folder / CONFIG).read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise make_missing_error(folder, error) from None
    except ValidationError as error:
        raise InputError(f"{folder / CONFIG}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None


def make_missing_error(folder: Path, error: OSError) -> InputError:
    """Make the error for a folder in which a file of the encoder is missing."""
    return InputError(f"{folder}: no encoder here ({error.filename} is missing); `dvc repro pretrain` makes it")


def build_untrained_encoder(config: Config) -> nn.Module:
    """Build the network with the weights that its training began with, in eval mode.

    The state of torch's global generator stays unchanged.
    """
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(config.seed)
        return build_encoder(config.encoder, channels=config.images.channels, side=config.images.side).eval()
