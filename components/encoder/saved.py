"""Writes models/encoder: weights as safetensors, and config.json, which holds all that is needed to use them.

Reading is apart from it (components/features/load.py), so that an edit of how an encoder is used retrains none.
D features.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from safetensors.torch import save
from torch import nn

from components.encoder.params import Encoder, Images
from components.stage.disk import write_beside
from components.stage.files import write_text
from components.stage.types import Count, Seed

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
WEIGHTS, CONFIG, ONNX = "encoder.safetensors", "config.json", "encoder.onnx"


class Config(BaseModel):
    """The content of config.json: the architecture, the input and the provenance of an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    encoder: Encoder
    images: Images
    features: Count  # D
    seed: Seed  # of the network's initial weights
    weights: Digest | None = None  # SHA-256 of the file of weights; once it was left out
    provenance: dict[str, Any]  # the parameters, data and versions that made the encoder

    @field_validator("provenance")
    @classmethod
    def _check_method(cls, provenance: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(provenance.get("method", ""), str):
            raise ValueError("method is a text")
        return provenance


def save_encoder(folder: Path, network: nn.Module, config: Config) -> None:
    """Write weights and config; tensors are laid out row by row, so that every reader of safetensors accepts them."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = save(weights, {"format": "pt"})
    with write_beside(folder / WEIGHTS) as new:
        new.write_bytes(content)  # save_file lets only the owner read it
    whole = config.model_copy(update={"weights": hashlib.sha256(content).hexdigest()})
    write_text(folder / CONFIG, whole.model_dump_json(indent=2) + "\n")
