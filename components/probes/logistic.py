"""Logistic regression on standardised, frozen features by scikit-learn's L-BFGS. C is swept on a log scale, chosen on a
validation part of the train split and refitted on all of it (BYOL's transfer protocol, arXiv 2006.07733, appendix E).

M train images, N test images, D features, K classes.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from components.params.evaluate import Logistic
from components.probes.probe import complement, standardise


class LogisticProbe:
    """With few labels there are none to choose C on: it is the one that params.yaml gives."""

    def __init__(self, train: np.ndarray, test: np.ndarray, classes: int, params: Logistic, seed: int) -> None:
        self.train, self.test = standardise(train, test)
        self.params = params

    def from_all(self, labels: np.ndarray, validation: np.ndarray) -> np.ndarray:  # noqa: D102
        fitting = complement(validation, len(labels))
        values = np.geomspace(self.params.c_low, self.params.c_high, self.params.c_count)
        model = self._model(values[0], warm_start=True)  # from the strongest penalty on, each starts at the last
        right = []
        for c in values:
            model.set_params(C=float(c))
            self._fit(model, fitting, labels[fitting])
            right.append(np.mean(model.predict(self.train[validation]) == labels[validation]))
        return self._predict(float(values[int(np.argmax(right))]), np.arange(len(labels)), labels)

    def from_few(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:  # noqa: D102
        return self._predict(self.params.few_label_c, rows, labels)

    def _predict(self, c: float, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        model = self._model(c, warm_start=False)
        self._fit(model, rows, labels)
        predictions: np.ndarray = model.predict(self.test)
        return predictions

    def _model(self, c: float, *, warm_start: bool) -> LogisticRegression:
        return LogisticRegression(C=c, max_iter=self.params.max_iterations, warm_start=warm_start)

    def _fit(self, model: LogisticRegression, rows: np.ndarray, labels: np.ndarray) -> None:
        with warnings.catch_warnings():
            # At the weak end of the sweep the optimum is far off; where the iterations end counts as that C's model.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(self.train[rows], labels)
