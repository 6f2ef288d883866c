"""Judges an encoder by a classifying probe: the accuracy from all labels, and the curve over few labels.

From few labels the mean accuracy over many draws is reported; every encoder and probe gets the same draws.
M train images, N test images, R draws of n labels each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from components.evaluate.few_labels import FewLabels, plan_few_labels
from components.evaluate.given import Given, select_labelled
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate, Shared
from components.evaluate.probe import Probe
from components.features.encoders import OURS
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import (
    Estimate,
    draw_rows_per_class,
    estimate_accuracy,
    estimate_accuracy_over_draws,
    hold_out_rows,
)
from components.show.progress import Progress


def judge_classifier(name: str, probe: Callable[..., Probe], params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by the classifier that params.yaml calls `name`; `probe` makes it for one encoder."""
    settings: Any = getattr(params, name)
    encoders, labels = given.encoders, select_labelled(given.table(OURS)).labels
    few = plan_few_labels(labels, params.shared, given.name_class)
    progress = Progress(f"evaluate {name}", len(encoders) * count_fits(few, params.shared), "fits")

    def judge(part: LabelledFeatures) -> Outcome:
        classifier = probe(part, settings, params.shared.seed, given.device)
        return classify(classifier, part, few, params.shared, progress.advance)

    return {encoder: judge(select_labelled(given.table(encoder))) for encoder in encoders}


def classify(
    probe: Probe, part: LabelledFeatures, few: FewLabels, shared: Shared, advance: Callable[[int], None]
) -> Outcome:
    """Judge a probe by its answers for the test images; `advance` is called with the number of fits done."""
    generator = np.random.default_rng(shared.seed)
    answers = probe.from_all(hold_out_rows(part.labels, shared.validation_fraction, generator))
    advance(1)
    scores = {name: predicted == part.truth for name, predicted in answers.predictions.items()}
    metrics: dict[str, Estimate | float] = {name: estimate_accuracy(right) for name, right in scores.items()}
    curve: dict[float, float] = {}  # labels per class -> accuracy; of two metrics of the same number, the first
    for name, wanted in few.measured.items():
        draws = np.stack([draw_rows_per_class(part.labels, wanted, generator) for _ in range(shared.draws)])  # (R, n)
        right = probe.from_draws(draws) == part.truth  # (R, N)
        advance(len(draws))
        estimate = estimate_accuracy_over_draws(right)
        metrics[name], scores[name] = estimate, right.mean(0)
        curve.setdefault(draws.shape[1] / len(np.unique(part.labels)), estimate.value)
    places, values = (np.array(list(numbers)) for numbers in (curve, curve.values()))
    return Outcome(
        metrics=metrics | answers.chosen,
        ids=part.ids,
        actual=part.truth,
        predicted=next(iter(answers.predictions.values())),
        scores=scores,
        curves={"few_labels": Curve("labels_per_class", places, values)} if curve else {},
        left_out={**answers.left_out, **few.left_out},
    )


def count_fits(few: FewLabels, shared: Shared) -> int:
    """Return how many fits `classify` reports to `advance`."""
    return 1 + shared.draws * len(few.measured)
