"""A classifying probe's whole answer: accuracy from all labels, and the curve over few of them.

From few labels the mean over many draws of them is reported, every encoder and probe on the same draws.
M train images, N test images, R draws of n labels each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from components.evaluate.given import Given, labelled
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate, Shared
from components.evaluate.probe import Labelled, Probe
from components.evaluate.statistics import (
    Estimate,
    accuracy,
    accuracy_over_draws,
    by_class,
    draw_rows,
    hold_out_rows,
    share_of_each,
)
from components.show.progress import Progress


def judge_classifier(name: str, probe: Callable[..., Probe], params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by the classifier that params.yaml calls `name`; `probe` makes it for one encoder."""
    own: Any = getattr(params, name)
    progress = Progress(f"evaluate {name}", len(given.encoders) * count_draws(params.shared), "fits")

    def judge(part: Labelled) -> Outcome:
        made = probe(part, own, params.shared.seed, given.device)
        return classify(made, part, params.shared, progress.advance)

    return {encoder: judge(labelled(given.table(encoder))) for encoder in given.encoders}


def classify(probe: Probe, part: Labelled, shared: Shared, advance: Callable[[int], None]) -> Outcome:
    """Judge by the test images; `advance` is told of the fits done."""
    generator = np.random.default_rng(shared.seed)
    answers = probe.from_all(hold_out_rows(part.labels, shared.validation_fraction, generator))
    advance(1)
    scores = {name: predicted == part.truth for name, predicted in answers.predictions.items()}
    metrics: dict[str, Estimate | float] = {name: accuracy(right) for name, right in scores.items()}
    curve: dict[float, float] = {}  # labels a class -> accuracy; of two ways to say the same number the first
    for name, wanted in few_labels(part.labels, shared).items():
        draws = np.stack([draw_rows(part.labels, wanted, generator) for _ in range(shared.draws)])  # (R, n)
        right = probe.from_draws(draws) == part.truth  # (R, N)
        advance(len(draws))
        found = accuracy_over_draws(right)
        metrics[name], scores[name] = found, right.mean(0)
        curve.setdefault(draws.shape[1] / len(np.unique(part.labels)), found.value)
    return Outcome(
        metrics=metrics | answers.chosen,
        ids=part.ids,
        actual=part.truth,
        predicted=next(iter(answers.predictions.values())),
        scores=scores,
        curves={"few_labels": Curve("labels_per_class", np.array(list(curve)), np.array(list(curve.values())))},
    )


def few_labels(labels: np.ndarray, shared: Shared) -> dict[str, dict[int, int]]:
    """Metric -> how many labels of each class it is measured from; a class gives at least one and at most all."""
    sizes = {name: len(rows) for name, rows in by_class(labels).items()}
    counts = {
        f"accuracy_{count}_per_class": {name: min(count, size) for name, size in sizes.items()}
        for count in shared.labels_per_class
    }
    shares = {f"accuracy_{100 * share:g}_percent": share_of_each(labels, share) for share in shared.label_fractions}
    return counts | shares


def count_draws(shared: Shared) -> int:
    """How many fits `classify` tells of."""
    return 1 + shared.draws * (len(shared.labels_per_class) + len(shared.label_fractions))
