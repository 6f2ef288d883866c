"""Writes and describes models/classifier: the head as safetensors, and config.json, which says what else is needed.

D features, K classes.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from components.classifier.files import HEAD
from components.encoder.params import Images
from components.encoder.saved import CONFIG, Digest, write_weights
from components.stage.files import write_text
from components.stage.types import Count

Number = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Config(BaseModel):
    """The content of config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    classes: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    features: Count  # D
    temperature: Number  # divides the logits
    calibrated_on: Annotated[int, Field(ge=0)]  # train images
    c: Number  # of the logistic regression
    train_images: Count
    untrained: Annotated[tuple[str, ...], Field(strict=False)]  # classes without a train image: never predicted
    images: Images  # the encoder's input
    encoder: Digest  # SHA-256 of encoder.safetensors, to whose features the head belongs
    weights: Digest | None = None  # SHA-256 of HEAD


def save_head(folder: Path, tensors: dict[str, Tensor], config: Config) -> None:
    """Write the head and config.json."""
    config = config.model_copy(update={"weights": write_weights(folder / HEAD, tensors)})
    write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
