"""Logistic regression: C is swept on a log scale, chosen on a validation part of the train split and refitted on all
of it (BYOL's transfer protocol, arXiv 2006.07733, appendix E). The fits stand in components/evaluate/regression.py.

N test images, R draws of n labels each.
"""

import numpy as np
import torch

from components.evaluate.classify import judge_classifier
from components.evaluate.given import Given
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Logistic
from components.evaluate.probe import Answers, Labelled
from components.evaluate.regression import Regression, predict

DRAWN = 2**26  # numbers of drawn rows' features that are held at once


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by its accuracy from all labels and from few."""
    return judge_classifier("logistic", LogisticProbe, params, given)


class LogisticProbe(Regression):
    """With few labels there are none to choose C on: it is the one that params.yaml gives."""

    def __init__(self, part: Labelled, params: Logistic, seed: int, device: torch.device) -> None:
        super().__init__(part, params, device)
        self.few_label_c = params.few_label_c

    def from_all(self, validation: np.ndarray) -> Answers:  # noqa: D102
        weights, c = self.choose(validation)
        return Answers({"accuracy": self.names[predict(weights, self.test)[0].cpu().numpy()]}, {"c": c})

    def from_draws(self, draws: np.ndarray) -> np.ndarray:  # noqa: D102
        portion = max(1, DRAWN // (draws.shape[1] * self.train.shape[1]))
        found = []
        for rows in torch.split(torch.from_numpy(draws), portion):
            values = torch.full((len(rows),), self.few_label_c, dtype=torch.float64)
            found.append(predict(self.fit(self.train[rows], self.labels[rows], values), self.test))
        predicted: np.ndarray = self.names[torch.cat(found).cpu().numpy()]
        return predicted
