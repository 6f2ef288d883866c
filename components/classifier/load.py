"""Loads models/classifier for use: `load_classifier(folder).from_features(features)`. No pickle is involved.

B images, D features, K classes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from components.classifier.files import HEAD, MADE, SKIPPED
from components.classifier.saved import Config
from components.encoder.saved import CONFIG
from components.features.load import read_tensors
from components.stage.errors import InputError
from components.stage.types import describe_mistake


@dataclass(frozen=True)
class LoadedClassifier:
    """A loaded head, ready to classify the features of its encoder."""

    centre: Tensor  # (D,)
    weights: Tensor  # (D, K)
    bias: Tensor  # (K,)
    config: Config

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes."""
        return self.config.classes

    @property
    def encoder(self) -> str:
        """The SHA-256 of the weights of the encoder that the features must come from."""
        return self.config.encoder

    def from_features(self, features: Tensor) -> Tensor:
        """Compute probabilities in single precision: (B, D) -> (B, K)."""
        logits = (features.float() - self.centre) @ self.weights + self.bias
        return torch.softmax(logits / self.config.temperature, dim=1)


def load_classifier(folder: str | Path) -> LoadedClassifier:
    """Load what the stage classifier wrote. Raises InputError if the folder holds no classifier, or a damaged one."""
    folder = Path(folder)
    config = read_classifier_config(folder)
    tensors = read_tensors(folder / HEAD, config.weights)
    width, classes = config.features, len(config.classes)
    wanted = {"centre": [width], "weights": [width, classes], "bias": [classes]}
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if found != wanted:
        raise InputError(f"{folder / HEAD}: tensors {found}, not {wanted}; {MADE}")
    return LoadedClassifier(**tensors, config=config)


def read_classifier_config(folder: Path) -> Config:
    """Read what config.json says about the classifier. Raises InputError if it is missing or wrong."""
    path, skipped = folder / CONFIG, folder / SKIPPED
    if skipped.is_file():
        raise InputError(f"{folder}: no classifier here: {skipped.read_text(encoding='utf-8').strip()}")
    try:
        return Config.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no classifier here ({CONFIG} is missing); {MADE}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {describe_mistake(error)}; {MADE}") from None
