"""Judges an encoder by a classifying probe: the accuracy from all labels, and the curve over few labels.

From few labels the mean accuracy over many draws is reported; every encoder and probe gets the same draws.
M train images, N test images, R draws of n labels each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from components.evaluate.given import Given, select_labelled
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate, Shared
from components.evaluate.probe import LabelledFeatures, Probe
from components.evaluate.statistics import (
    Estimate,
    count_share_per_class,
    draw_rows_per_class,
    estimate_accuracy,
    estimate_accuracy_over_draws,
    group_by_class,
    hold_out_rows,
)
from components.show.progress import Progress


def judge_classifier(name: str, probe: Callable[..., Probe], params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by the classifier that params.yaml calls `name`; `probe` makes it for one encoder."""
    settings: Any = getattr(params, name)
    progress = Progress(f"evaluate {name}", len(given.encoders) * count_draws(params.shared), "fits")

    def judge(part: LabelledFeatures) -> Outcome:
        classifier = probe(part, settings, params.shared.seed, given.device)
        return classify(classifier, part, params.shared, progress.advance)

    return {encoder: judge(select_labelled(given.table(encoder))) for encoder in given.encoders}


def classify(probe: Probe, part: LabelledFeatures, shared: Shared, advance: Callable[[int], None]) -> Outcome:
    """Judge a probe by its answers for the test images; `advance` is called with the number of fits done."""
    generator = np.random.default_rng(shared.seed)
    answers = probe.from_all(hold_out_rows(part.labels, shared.validation_fraction, generator))
    advance(1)
    scores = {name: predicted == part.truth for name, predicted in answers.predictions.items()}
    metrics: dict[str, Estimate | float] = {name: estimate_accuracy(right) for name, right in scores.items()}
    curve: dict[float, float] = {}  # labels per class -> accuracy; of two metrics of the same number, the first
    for name, wanted in count_few_labels(part.labels, shared).items():
        draws = np.stack([draw_rows_per_class(part.labels, wanted, generator) for _ in range(shared.draws)])  # (R, n)
        right = probe.from_draws(draws) == part.truth  # (R, N)
        advance(len(draws))
        estimate = estimate_accuracy_over_draws(right)
        metrics[name], scores[name] = estimate, right.mean(0)
        curve.setdefault(draws.shape[1] / len(np.unique(part.labels)), estimate.value)
    return Outcome(
        metrics=metrics | answers.chosen,
        ids=part.ids,
        actual=part.truth,
        predicted=next(iter(answers.predictions.values())),
        scores=scores,
        curves={"few_labels": Curve("labels_per_class", np.array(list(curve)), np.array(list(curve.values())))},
    )


def count_few_labels(labels: np.ndarray, shared: Shared) -> dict[str, dict[int, int]]:
    """Return, by metric, how many labels of each class it is measured from: at least one and at most all of a class."""
    sizes = {name: len(rows) for name, rows in group_by_class(labels).items()}
    counts = {
        f"accuracy_{count}_per_class": {name: min(count, size) for name, size in sizes.items()}
        for count in shared.labels_per_class
    }
    shares = {
        f"accuracy_{100 * share:g}_percent": count_share_per_class(labels, share) for share in shared.label_fractions
    }
    return counts | shares


def count_draws(shared: Shared) -> int:
    """Return how many fits `classify` reports to `advance`."""
    return 1 + shared.draws * (len(shared.labels_per_class) + len(shared.label_fractions))
