"""Writes models/encoder: weights as safetensors, and config.json, which holds all that is needed to use them.

Reading is apart from it (components/features/load.py), so that an edit of how an encoder is used retrains none.
D features.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from safetensors.torch import save
from torch import Tensor, nn

from components.encoder.params import Encoder, Images
from components.stage.disk import write_beside
from components.stage.files import write_text
from components.stage.types import Count, Seed

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
WEIGHTS, CONFIG, ONNX = "encoder.safetensors", "config.json", "encoder.onnx"
START = "start.safetensors"  # the weights that the training began with; no tensor in it if they were drawn at random


class Begun(BaseModel):
    """Says what a training began with, if its weights were not drawn at random."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Annotated[str, Field(max_length=100)]  # of `pretrain.start`
    origin: Annotated[str, Field(max_length=1000)]  # the file, the model or the version
    sha256: Digest  # of the origin's file of weights
    notes: Annotated[tuple[str, ...], Field(strict=False)]  # lines: which layers were taken, adapted and left, and why
    weights: Digest  # SHA-256 of START


class Config(BaseModel):
    """The content of config.json: the architecture, the input and the provenance of an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    encoder: Encoder
    images: Images
    features: Count  # D
    seed: Seed  # of the network's initial weights
    weights: Digest | None = None  # SHA-256 of the file of weights; once it was left out
    start: Begun | None = None  # None if the weights were drawn at random
    provenance: dict[str, Any]  # the parameters, data and versions that made the encoder

    @field_validator("images", mode="before")
    @classmethod
    def _complete_images(cls, images: Any) -> Any:
        """Take an encoder that was saved when images always had 8 bits for what it is."""
        return {"range": None, "colours": None} | images if isinstance(images, dict) else images

    @field_validator("provenance")
    @classmethod
    def _check_method(cls, provenance: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(provenance.get("method", ""), str):
            raise ValueError("method is a text")
        return provenance


def save_encoder(folder: Path, network: nn.Module, config: Config, start: Mapping[str, Tensor] | None = None) -> None:
    """Write weights, the weights that the training began with (none if these were drawn at random), and config."""
    whole: dict[str, Any] = {"weights": write_weights(folder / WEIGHTS, network.state_dict())}
    begun = write_weights(folder / START, start or {})
    if config.start:
        whole["start"] = config.start.model_copy(update={"weights": begun})
    write_text(folder / CONFIG, config.model_copy(update=whole).model_dump_json(indent=2) + "\n")


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> str:
    """Write weights and return the file's SHA-256; tensors are laid out row by row, so that every reader of safetensors
    accepts them."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, {"format": "pt"})
    with write_beside(path) as new:
        new.write_bytes(content)  # save_file lets only the owner read it
    return hashlib.sha256(content).hexdigest()
