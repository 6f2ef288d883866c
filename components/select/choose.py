"""Takes the first images of a strategy's order that differ from each other, and from the labelled ones.

N images to choose from, D features.
"""

import importlib
from dataclasses import dataclass

import torch

from components.select.params import Select
from components.select.pool import Pool
from components.show.progress import Progress


@dataclass(frozen=True)
class Choice:
    """The chosen images, best first."""

    rows: list[int]  # of the pool
    scores: list[float]  # what the strategy ranked them by
    passed_over: int  # images that came earlier, and are nearly the same as a labelled or chosen one


def choose(pool: Pool, strategy: str, params: Select, device: torch.device, progress: Progress | None = None) -> Choice:
    """Choose at most `budget` images by a strategy; fewer if there are no more that differ."""
    rows, scores, passed_over, barred = list[int](), list[float](), 0, set(pool.barred)
    if not len(pool.features):
        return Choice(rows, scores, passed_over)
    count = min(params.budget, len(pool.features))
    taken = torch.empty(len(pool.labelled) + count, pool.features.shape[1])  # features of the labelled and the chosen
    taken[: len(pool.labelled)] = pool.labelled
    # By name, so that an edit of another strategy makes nothing stale.
    for row, score in importlib.import_module(f"components.strategies.{strategy}").rank(pool, params, device):
        feature, known, name = pool.features[row], len(pool.labelled) + len(rows), pool.ids[row].as_py()  # (D,)
        if name in barred or (known and float((taken[:known] @ feature).max()) >= params.same):
            passed_over += 1
            continue
        taken[known] = feature
        barred.update(pool.copies.get(name, ()))
        rows.append(row)
        scores.append(score)
        if progress:
            progress.advance(1)
        if len(rows) == count:
            break
    return Choice(rows, scores, passed_over)
