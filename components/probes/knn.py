"""k nearest neighbours by cosine, each voting with weight exp(cosine / T) (Wu et al., arXiv 1805.01978, section 3.4).

M train images (the bank), N test images, D features, K classes.
"""

import numpy as np
import torch
import torch.nn.functional as F

from components.params.evaluate import Knn
from components.probes.vote import vote

PORTION = 1024  # queries whose cosines to the whole bank are held at once


class KnnProbe:
    """The bank is the train part, without augmentation; there is nothing to choose, so validation rows vote as well."""

    def __init__(self, train: np.ndarray, test: np.ndarray, classes: int, params: Knn, seed: int) -> None:
        self.bank = F.normalize(torch.from_numpy(train).double(), dim=1)
        self.queries = F.normalize(torch.from_numpy(test).double(), dim=1)
        self.classes, self.params = classes, params

    def from_all(self, labels: np.ndarray, validation: np.ndarray) -> np.ndarray:  # noqa: D102
        return self.from_few(np.arange(len(labels)), labels)

    def from_few(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:  # noqa: D102
        bank, known = self.bank[rows], torch.from_numpy(labels)
        k, temperature = min(self.params.k, len(rows)), self.params.temperature
        found = [
            vote(
                self.queries[first : first + PORTION] @ bank.T,
                known,
                classes=self.classes,
                k=k,
                temperature=temperature,
            )
            for first in range(0, len(self.queries), PORTION)
        ]
        return torch.cat(found).numpy()
