"""Makes embeddings in which classes, copies and strangers are known."""

from typing import Any

import numpy as np
import torch

from components.features.embeddings import Embeddings
from components.labels.params import Labels
from components.stage.command import read_params
from components.store.store import TEST, TRAIN
from tests.conftest import ROOT

CPU = torch.device("cpu")


def read_section(**changes: Any) -> Labels:
    """Read the shipped section with the changes."""
    section: Labels = read_params(ROOT / "params.yaml").labels
    return Labels.model_validate(section.model_dump() | changes)


def make_table(
    labels: np.ndarray, *, truth: np.ndarray | None = None, test: int = 0, spread: float = 1.0
) -> Embeddings:
    """Make embeddings of which each class is a cloud; the last `test` images are the test split."""
    truth = labels if truth is None else truth
    rng = np.random.default_rng(0)
    classes = max(int(truth.max()) + 1, 2)
    centres = rng.normal(0, 4, (classes, 16))
    features = centres[truth] + rng.normal(0, spread, (len(truth), 16))
    splits = np.array([TRAIN] * (len(labels) - test) + [TEST] * test)
    ids = np.array([f"{number}" for number in range(len(labels))])
    return Embeddings(ids, splits, labels, features.astype(np.float32), torch.float32)
