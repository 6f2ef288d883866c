"""Draws shares of the train labels, as BYOL's semi-supervised protocol asks (arXiv 2006.07733, section 4.2), and counts
the steps of the fits on them.

A share is drawn once, the same for every encoder. n images in a share, h of them held out.
"""

from dataclasses import dataclass

import numpy as np

from components.evaluate.few_labels import NameClass, select_measured
from components.evaluate.outcome import NothingToMeasureError
from components.evaluate.params import Finetune, Shared
from components.features.judging.statistics import count_share_per_class, draw_rows_per_class, hold_out_rows


@dataclass(frozen=True)
class Portion:
    """A share of the train labels."""

    ending: str  # of its metrics' names; empty for all labels
    rows: np.ndarray  # (n,) of the train images
    held: np.ndarray  # (h,) places in `rows`; empty if they are too few to choose by


def draw_portions(
    labels: np.ndarray, params: Finetune, shared: Shared, name_class: NameClass
) -> tuple[list[Portion], dict[str, str]]:
    """Draw the shares, the largest first; return also why those that lack a class, or repeat another, are left out.

    Fewer held-out images than classes cannot choose a learning rate: such a share is learned at the rate that
    params.yaml gives for few labels. Raises NothingToMeasureError if no share is left."""
    generator = np.random.default_rng(shared.seed)
    classes = len(np.unique(labels))
    wanted = {
        "accuracy" if fraction == 1 else f"accuracy_{100 * fraction:g}_percent": count_share_per_class(labels, fraction)
        for fraction in sorted(params.fractions, reverse=True)
    }
    plan = select_measured(wanted, labels, name_class)
    if not plan.measured:
        raise NothingToMeasureError(f"needs more train labels: {next(iter(plan.left_out.values()))}")
    portions = []
    for metric, counts in plan.measured.items():
        rows = draw_rows_per_class(labels, counts, generator)
        held = hold_out_rows(labels[rows], shared.validation_fraction, generator)
        portions.append(Portion(metric.removeprefix("accuracy"), rows, held if len(held) >= classes else held[:0]))
    return portions, plan.left_out


def count_steps(portions: list[Portion], params: Finetune) -> int:
    """Return the number of steps of all the fits that an encoder is fine-tuned in."""
    return sum(
        count_fit_steps(len(portion.rows), params)
        + (
            len(params.learning_rates) * count_fit_steps(len(portion.rows) - len(portion.held), params)
            if len(portion.held)
            else 0
        )
        for portion in portions
    )


def count_fit_steps(images: int, params: Finetune) -> int:
    """Return the number of steps of one fit: the whole batches of all epochs, but at least params.yaml's minimum."""
    return max(params.min_steps, params.epochs * (images // min(params.batch_size, images)))
