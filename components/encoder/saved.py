"""models/encoder as pretraining writes it: weights as safetensors, and config.json, which says all that they need.

Apart from the reading (files.py), so that an edit of how an encoder is used retrains none. D features.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from safetensors.torch import save
from torch import nn

from components.encoder.params import Encoder, Images

WEIGHTS, CONFIG, ONNX = "encoder.safetensors", "config.json", "encoder.onnx"


class Config(BaseModel):
    """config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Encoder
    images: Images
    features: int  # D
    seed: int  # of the network's first weights
    provenance: dict[str, Any]  # what made it: parameters, data, versions


def save_encoder(folder: Path, network: nn.Module, config: Config) -> None:
    """Write weights and config; tensors are laid out row by row, so that any reader of safetensors can take them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights, {"format": "pt"}))  # save_file would hide it from other users
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n")
