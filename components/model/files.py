"""models/encoder: weights as safetensors, and config.json, which says all that is needed to use them.

D features. Written by `save_encoder`, read by `load_encoder`; no pickle is involved on either side.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from components.byol.network import build_encoder
from components.params.base import InputError
from components.params.pretrain import Images, TinyResNet, TorchvisionResNet

WEIGHTS, CONFIG, ONNX, CARD = "encoder.safetensors", "config.json", "encoder.onnx", "README.md"


class Config(BaseModel):
    """config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: TinyResNet | TorchvisionResNet = Field(discriminator="name")
    images: Images
    features: int  # D
    seed: int  # of the network's first weights
    provenance: dict[str, Any]  # what made it: parameters, data, versions


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder ready to embed: in eval mode, on the CPU."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, D)
    config: Config


def save_encoder(folder: Path, network: nn.Module, config: Config) -> None:
    """Write weights and config; tensors are laid out row by row, so that any reader of safetensors can take them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n")


def load_encoder(folder: Path) -> LoadedEncoder:
    """Read what `save_encoder` wrote. Raises InputError where the folder holds no encoder or not this one's weights."""
    try:
        config = Config.model_validate_json((folder / CONFIG).read_text())
        network = untrained_encoder(config)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: no encoder here ({error.filename} is missing); `dvc repro pretrain` makes it"
        ) from None
    except ValidationError as error:
        raise InputError(f"{folder / CONFIG}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder / WEIGHTS}: not the weights of {CONFIG}: {str(error).splitlines()[0]}") from None
    return LoadedEncoder(network.eval(), config)


def untrained_encoder(config: Config) -> nn.Module:
    """The same network with the weights that its training began with, in eval mode."""
    torch.manual_seed(config.seed)
    return build_encoder(config.encoder, channels=config.images.channels, side=config.images.side).eval()
