"""Makes labelled features for a probe from arrays."""

import numpy as np
import torch

from components.features.judging.labelled import LabelledFeatures

CPU = torch.device("cpu")


def make_part(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray | None = None
) -> LabelledFeatures:
    """Make labelled features; a test that looks at predictions alone needs no truth."""
    truth = np.resize(labels, len(test)) if truth is None else truth
    return LabelledFeatures(train, labels, test, truth, np.array([f"test/{n}" for n in range(len(test))]))
