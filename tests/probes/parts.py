"""Labelled features for a probe, from arrays."""

import numpy as np
import torch

from components.evaluate.probe import Labelled

CPU = torch.device("cpu")


def part(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray | None = None) -> Labelled:
    """Where a test asks for predictions alone, the truth does not matter."""
    truth = np.resize(labels, len(test)) if truth is None else truth
    return Labelled(train, labels, test, truth, np.array([f"test/{n}" for n in range(len(test))]))
