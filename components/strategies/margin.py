"""Margin (Scheffer, Decomain & Wrobel, Active hidden Markov models, IDA 2001): where a classifier hesitates.

A logistic regression learns from the labelled images, as the probe does; the images come first whose two most probable
classes are closest. It can only hesitate between classes that it knows.
N images to choose from, M labelled ones, K classes, D features of rank R.
"""

from collections.abc import Iterator

import numpy as np
import torch

from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.judging.regression import Regression
from components.learning.device import choose_double_device
from components.select.params import Margin, Select
from components.select.pool import Pool
from components.stage.errors import InputError

ROWS = 2**14  # whose probabilities are computed at a time


def rank(pool: Pool, params: Select, device: torch.device) -> Iterator[tuple[int, float]]:
    """Yield each image's row and the difference of its two highest probabilities, the smallest first.

    Raises InputError if fewer than two classes have a label.
    """
    if (classes := len(np.unique(pool.labels))) < 2:
        raise InputError(
            f"params.yaml: select.strategies: margin learns from labelled train images of two classes or more; "
            f"labels: {len(pool.labels):,}, classes: {classes}; typiclust, kcentre and random need none"
        )
    margins = measure_margins(pool, params.margin, choose_double_device(device))
    for row in np.argsort(margins, kind="stable").tolist():
        yield row, float(margins[row])


def measure_margins(pool: Pool, params: Margin, device: torch.device) -> np.ndarray:
    """Measure the difference of the two highest probabilities: (N,)."""
    sweep = Sweep(
        c_low=params.c, c_high=params.c, c_count=1, max_iterations=params.max_iterations, tolerance=params.tolerance
    )
    train, none = pool.labelled.numpy(), np.empty(0, np.int64)
    weights, parts = None, []
    for block in torch.split(pool.features, ROWS):
        part = LabelledFeatures(train, pool.labels, block.numpy(), none, none)
        regression = Regression(part, sweep, device)  # which scales and turns the block as it does the labelled images
        if weights is None:
            weights = regression.fit(regression.train, regression.labels, torch.tensor([params.c]))[0]  # (R + 1, K)
        two = (regression.test @ weights).softmax(1).topk(2, dim=1).values  # (n, 2)
        parts.append((two[:, 0] - two[:, 1]).cpu().numpy())
    return np.concatenate(parts)
