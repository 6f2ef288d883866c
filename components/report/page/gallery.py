"""What the encoder takes for alike: a few images, and those nearest to them in the embedding.

N images of the store, Q queries, K neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.features.embeddings import Embeddings
from components.report.page.pictures import Shown, nearest_by_cosine
from components.store.store import TEST


@dataclass(frozen=True)
class Neighbourhood:
    """An image and its nearest, the nearest first."""

    query: Shown
    nearest: list[Shown]


def choose(table: Embeddings, queries: int, neighbours: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of random test images, (Q,), and of their neighbours outside that split, (Q, K).

    Where one of the two has no image, all look among all, but for themselves.
    """
    asked, bank = np.flatnonzero(table.splits == TEST), np.flatnonzero(table.splits != TEST)
    among_all = len(asked) == 0 or len(bank) == 0
    if among_all:
        asked = bank = np.arange(len(table.splits))
    drawn = np.random.default_rng(seed).choice(asked, min(queries, len(asked)), replace=False)
    nearest = bank[nearest_by_cosine(table.features[drawn], table.features[bank], neighbours + among_all)]  # (Q, K)
    if not among_all:
        return drawn, nearest
    others = [[row for row in rows if row != query][:neighbours] for query, rows in zip(drawn, nearest, strict=True)]
    return drawn, np.array(others, dtype=np.int64).reshape(len(drawn), -1)


def shown(
    chosen: tuple[np.ndarray, np.ndarray],
    table: Embeddings,
    pictures: Mapping[int, str],
    class_names: Sequence[str],
    precision: Mapping[str, float],
) -> list[Neighbourhood]:
    """For the template; `precision` is a query's average precision, by its id, of those that were judged."""

    def picture(row: int, note: str = "") -> Shown:
        label = table.labels[row]
        return Shown(pictures[int(row)], class_names[label] if label >= 0 else "", note)

    def note(row: int) -> str:
        return f"AP {precision[name]:.2f}" if (name := str(table.ids[row])) in precision else ""

    return [
        Neighbourhood(picture(query, note(query)), [picture(row) for row in rows])
        for query, rows in zip(*chosen, strict=True)
    ]
