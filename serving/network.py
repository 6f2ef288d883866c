"""Runs classifier.onnx by onnxruntime; the file alone says how it is fed and what it answers.

B images, C channels, S pixels per side, K classes.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from pydantic import ValidationError

from components.classifier.files import CLASSES, IMAGES, MADE, ONNX, PROBABILITIES, SKIPPED
from components.encoder.params import Images
from components.stage.errors import InputError
from serving.session import open_session


@dataclass(frozen=True)
class Network:
    """A network from pixels to probabilities."""

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]
    images: Images  # what it sees; the colours of channels aside, of which the file knows nothing that matters here

    def classify(self, inputs: np.ndarray) -> np.ndarray:
        """Compute probabilities: (B, C, S, S) float32, normalised -> (B, K)."""
        (found,) = self.session.run([PROBABILITIES], {IMAGES: inputs})
        probabilities: np.ndarray = found
        return probabilities


def open_network(folder: Path) -> Network:
    """Open what the stage classifier wrote. Raises InputError if the folder holds no classifier, or a damaged one."""
    path, skipped = folder / ONNX, folder / SKIPPED
    if skipped.is_file():
        raise InputError(f"{folder}: no classifier here: {skipped.read_text(encoding='utf-8').strip()}")
    session = open_session(path, MADE)
    try:
        said = session.get_modelmeta().custom_metadata_map
        classes = tuple(json.loads(said[CLASSES]))
        return Network(session, classes, read_images(said))
    except (KeyError, ValueError, TypeError, ValidationError):
        raise InputError(f"{path}: its metadata are not those of a classifier; {MADE}") from None


def read_images(said: dict[str, str]) -> Images:
    """Read what the network sees. Raises KeyError, ValueError or ValidationError."""
    side = int(said["side"])
    numbers = {name: json.loads(said[name]) for name in ("mean", "std")}
    span = json.loads(said["range"]) if "range" in said else None
    return Images(side=side, read_side=side, range=span, colours=None, **numbers)
