"""Loads models/encoder for use: `load_encoder(folder).embed(images)`. No pickle is involved.

N images, B images of a batch, C channels, H x W pixels, S pixels per side of a square, D features.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from components.encoder.build import build_encoder, check_features, plan_encoder
from components.encoder.errors import NetworkError
from components.encoder.normalise import normalise
from components.encoder.saved import CONFIG, START, WEIGHTS, Config
from components.features.inputs import list_images, to_square
from components.stage.errors import InputError
from components.stage.types import describe_mistake

MADE = "`dvc repro pretrain` writes it, `python -m pipelines.verify` says whether it is damaged"
BATCH = 256  # images that `embed` holds as squares at a time


@dataclass(frozen=True)
class LoadedEncoder:
    """A loaded encoder in eval mode, ready to embed images."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, D)
    config: Config

    def embed(self, images: Any) -> np.ndarray:
        """Embed a Pillow image or a list of them, or an array (N, H, W) or (N, H, W, C) -> (N, D) float32.

        Arrays are uint8, or uint16 if the encoder's images have a range. Images of any mode and size are turned
        upright, scaled to cover a square and cut to it, as the store's images are. Raises InputError for anything else.
        """
        shape, listed = self.config.images, list_images(images, self.config.images)
        parts = [np.empty((0, self.config.features), np.float32)]
        for first in range(0, len(listed), BATCH):
            squares = [
                to_square(image, shape, f"images[{number}]")
                for number, image in enumerate(listed[first : first + BATCH], first)
            ]
            with torch.inference_mode():
                parts.append(self.compute_features(torch.from_numpy(np.stack(squares))).float().cpu().numpy())
        return np.concatenate(parts)

    def compute_features(self, squares: Tensor) -> Tensor:
        """Compute the features of squares on the network's device: (B, C, S, S) pixels -> (B, D)."""
        device = next(self.network.parameters()).device
        features: Tensor = self.network(normalise(squares.to(device), self.config.images))
        return features


def load_encoder(folder: str | Path, device: str | torch.device = "cpu") -> LoadedEncoder:
    """Load what pretraining wrote. Raises InputError if the folder holds no encoder, or a damaged one."""
    folder = Path(folder)
    config = read_config(folder)
    network = plan_network(folder / CONFIG, config)
    weights = read_tensors(folder / WEIGHTS, config.weights)
    check_weights(folder / WEIGHTS, weights, network.state_dict())
    network.load_state_dict(weights, assign=True)
    return LoadedEncoder(network.to(device), config)


def read_config(folder: Path) -> Config:
    """Read what config.json says about the encoder. Raises InputError if it is missing or wrong."""
    path = folder / CONFIG
    try:
        return Config.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise make_missing_error(folder, error) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {describe_mistake(error)}; {MADE}") from None


def plan_network(path: Path, config: Config) -> nn.Module:
    """Build the network of config.json in eval mode, without memory for its weights.

    Raises InputError if there can be no such network, or if it gives another number of features.
    """
    shape = {"channels": config.images.channels, "side": config.images.side}
    try:
        network = plan_encoder(config.encoder, **shape)
        features = check_features(network, config.encoder, **shape)
    except NetworkError as error:
        raise InputError(f"{error.locate(f'{path}: encoder')}; {MADE}") from None
    except RuntimeError as error:  # a size beyond 64 bits, or images that a network leaves nothing of
        raise InputError(f"{path}: encoder: no such network: {str(error).splitlines()[0]}; {MADE}") from None
    if features != config.features:
        raise InputError(f"{path}: features: {config.features}, but the network gives {features}; {MADE}")
    return network


def load_start(folder: str | Path, config: Config) -> nn.Module | None:
    """Load the network that the training began with, in eval mode; None if its weights were drawn at random.

    Raises InputError as `load_encoder` does.
    """
    if config.start is None:
        return None
    folder = Path(folder)
    network = plan_network(folder / CONFIG, config)
    weights = read_tensors(folder / START, config.start.weights)
    check_weights(folder / START, weights, network.state_dict())
    network.load_state_dict(weights, assign=True)
    return network


def read_tensors(path: Path, digest: str | None) -> dict[str, Tensor]:
    """Read the file of weights that has this SHA-256. Raises InputError if it is missing or damaged."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if digest not in (found, None):
            raise InputError(f"{path}: damaged, or not the weights of {CONFIG}: its SHA-256 is another one; {MADE}")
        return {name: tensor.clone() for name, tensor in load_file(path).items()}  # from the file, which may change
    except FileNotFoundError as error:
        raise make_missing_error(path.parent, error) from None
    except (OSError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}; {MADE}") from None


def check_weights(path: Path, weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Check weights. Raises InputError if they are not finite, or those of another network than wanted."""
    for name in sorted(wanted.keys() | weights.keys()):
        kinds = [describe_tensor(tensors.get(name)) for tensors in (weights, wanted)]
        if kinds[0] != kinds[1]:
            raise InputError(f"{path}: not the weights of {CONFIG}: {name} is {kinds[0]}, not {kinds[1]}; {MADE}")
        if not bool(weights[name].isfinite().all()):
            raise InputError(f"{path}: {name} holds numbers that are not finite; did the training diverge? {MADE}")


def describe_tensor(tensor: Tensor | None) -> str:
    """Describe the type and the shape of a tensor."""
    return "missing" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


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
