"""Decides from how many labels of each class a metric is measured, and which metrics cannot be what their names say.

`accuracy_10_per_class` needs ten train labels of every class, and a share of the labels at least one of every class.
Of two metrics from the same numbers of labels, which would be one measurement twice, the first is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.evaluate.params import Shared
from components.features.judging.statistics import count_share_per_class, group_by_class

NameClass = Callable[[int], str]


@dataclass(frozen=True)
class FewLabels:
    """The number of labels of each class by the metric that is measured from them, and why others are left out."""

    measured: dict[str, dict[int, int]]
    left_out: dict[str, str]


def plan_few_labels(labels: np.ndarray, shared: Shared, name_class: NameClass) -> FewLabels:
    """Plan the metrics of few labels that params.yaml asks for: numbers per class, then shares of the labels."""
    classes = np.unique(labels).tolist()
    counts = {f"accuracy_{count}_per_class": dict.fromkeys(classes, count) for count in shared.labels_per_class}
    shares = {
        f"accuracy_{100 * share:g}_percent": count_share_per_class(labels, share) for share in shared.label_fractions
    }
    return select_measured(counts | shares, labels, name_class)


def select_measured(wanted: dict[str, dict[int, int]], labels: np.ndarray, name_class: NameClass) -> FewLabels:
    """Select the metrics that the labels (M,) allow from those that are `wanted` with their numbers of labels."""
    sizes = {name: len(rows) for name, rows in group_by_class(labels).items()}
    smallest = min(sizes, key=lambda name: sizes[name])  # what it cannot give, no class makes up for
    plan = FewLabels({}, {})
    for metric, counts in wanted.items():
        same = next((other for other, taken in plan.measured.items() if taken == counts), None)
        if counts[smallest] > sizes[smallest]:
            plan.left_out[metric] = (
                f"class '{name_class(smallest)}' has only {sizes[smallest]:,} of the {counts[smallest]:,} train labels"
            )
        elif counts[smallest] == 0:
            plan.left_out[metric] = (
                f"no train label of class '{name_class(smallest)}' would be in the share; it has only "
                f"{sizes[smallest]:,}"
            )
        elif same:
            plan.left_out[metric] = f"would be from as many labels of each class as {same}"
        else:
            plan.measured[metric] = counts
    return plan
