"""Writes models/encoder: weights as safetensors, and config.json, which holds all that is needed to use them.

Reading is apart from it (components/features/load.py), so that an edit of how an encoder is used retrains none.
D features.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from safetensors.torch import save
from torch import nn

from components.encoder.params import Encoder, Images
from components.stage.disk import write_beside
from components.stage.files import write_text

WEIGHTS, CONFIG, ONNX = "encoder.safetensors", "config.json", "encoder.onnx"


class Config(BaseModel):
    """The content of config.json: the architecture, the input and the provenance of an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Encoder
    images: Images
    features: int  # D
    seed: int  # of the network's initial weights
    provenance: dict[str, Any]  # the parameters, data and versions that made the encoder


def save_encoder(folder: Path, network: nn.Module, config: Config) -> None:
    """Write weights and config; tensors are laid out row by row, so that every reader of safetensors accepts them."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with write_beside(folder / WEIGHTS) as new:
        new.write_bytes(save(weights, {"format": "pt"}))  # save_file lets only the owner read it
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
