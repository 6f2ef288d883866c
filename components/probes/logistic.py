"""Logistic regression: C is swept on a log scale and chosen on a validation part of the train split, all of which is
then fitted again (BYOL's transfer protocol, arXiv 2006.07733, appendix E; components/features/judging/regression.py).

N test images, R draws of n labels each.
"""

import numpy as np
import torch

from components.evaluate.classify import judge_classifier
from components.evaluate.given import Given
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Logistic
from components.evaluate.probe import Answers
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.regression import Regression, predict

DRAWN = 2**26  # numbers of drawn rows' features that are held at once


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by its accuracy from all labels and from few."""
    return judge_classifier("logistic", LogisticProbe, params, given)


class LogisticProbe(Regression):
    """Chooses C on the validation rows; few labels leave none to choose on, and params.yaml gives C."""

    def __init__(self, part: LabelledFeatures, params: Logistic, seed: int, device: torch.device) -> None:
        super().__init__(part, params, device)
        self.few_label_c = params.few_label_c

    def from_all(self, validation: np.ndarray) -> Answers:  # noqa: D102
        weights, c = self.choose(validation)
        return Answers({"accuracy": self.names[predict(weights, self.test)[0].cpu().numpy()]}, {"c": c})

    def from_draws(self, draws: np.ndarray) -> np.ndarray:  # noqa: D102
        portion = max(1, DRAWN // (draws.shape[1] * self.train.shape[1]))
        predictions = []
        for rows in torch.split(torch.from_numpy(draws), portion):
            values = torch.full((len(rows),), self.few_label_c, dtype=torch.float64)
            predictions.append(predict(self.fit(self.train[rows], self.labels[rows], values), self.test))
        predicted: np.ndarray = self.names[torch.cat(predictions).cpu().numpy()]
        return predicted
