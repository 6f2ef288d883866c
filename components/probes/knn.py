"""k nearest neighbours by cosine, each voting with weight exp(cosine / T) (Wu et al., arXiv 1805.01978, section 3.4).

The two common settings are k = 200 with T = 0.1 (ibid., and lightly) and k = 20 with T = 0.07 (DINO, arXiv
2104.14294). The bank holds train images, which pretraining saw without their labels; it did not see the queries.
M train images (the bank), N test images, D features, K classes, R draws of n labels, V votes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.evaluate.classify import judge_classifier
from components.evaluate.given import Given
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Knn, Vote
from components.evaluate.probe import Answers
from components.features.judging.labelled import LabelledFeatures
from components.learning.vote import vote

PORTION = 2**25  # cosines that are held at once: 128 MiB


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by its accuracy from all labels and from few."""
    return judge_classifier("knn", KnnProbe, params, given)


class KnnProbe:
    """Votes with the train part, without augmentation; nothing is chosen, so that validation rows vote as well."""

    def __init__(self, part: LabelledFeatures, params: Knn, seed: int, device: torch.device) -> None:
        self.bank, self.queries = (
            F.normalize(torch.from_numpy(rows).to(device).float(), dim=1) for rows in (part.train, part.test)
        )
        self.labels = torch.from_numpy(part.labels).to(device)
        self.classes, self.votes = part.classes, (params, *params.also)

    def from_all(self, validation: np.ndarray) -> Answers:  # noqa: D102
        images = len(self.bank)
        further = {f"accuracy_k{settings.k}": settings for settings in self.votes[1:]}
        measured = {name: settings for name, settings in further.items() if settings.k <= images}
        left_out = {
            name: f"there are only {images:,} labelled train images" for name in further if name not in measured
        }
        predictions = self._predict(self.bank, self.labels, (self.votes[0], *measured.values()))  # (V, N)
        return Answers(dict(zip(["accuracy", *measured], predictions, strict=True)), {}, left_out)

    def from_draws(self, draws: np.ndarray) -> np.ndarray:  # noqa: D102
        first = self.votes[:1]
        return np.concatenate([self._predict(self.bank[rows], self.labels[rows], first) for rows in draws])

    def _predict(self, bank: Tensor, labels: Tensor, votes: tuple[Vote, ...]) -> np.ndarray:
        """Predict the test images by each vote over the bank: (n, D), (n,) -> (V, N)."""
        portions = []
        for queries in torch.split(self.queries, max(1, PORTION // len(bank))):
            cosine = queries @ bank.T
            predictions = [
                vote(
                    cosine, labels, classes=self.classes, k=min(settings.k, len(bank)), temperature=settings.temperature
                )
                for settings in votes
            ]
            portions.append(torch.stack(predictions))
        return torch.cat(portions, dim=1).cpu().numpy()
