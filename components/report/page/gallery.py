"""Shows what the encoder finds alike: a few images, each with the images nearest to it in the embedding.

N images of the store, Q queries, K neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.features.embeddings import Embeddings
from components.report.page.pictures import Picture, find_nearest_rows
from components.store.store import TEST


@dataclass(frozen=True)
class Neighbourhood:
    """An image and its neighbours, the nearest first."""

    query: Picture
    nearest: list[Picture]


def choose_queries(table: Embeddings, queries: int, neighbours: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows of random test images (Q,), and of their neighbours outside the test split (Q, K).

    If one of the two groups is empty, queries and neighbours come from all images; an image is not its own neighbour.
    """
    candidates, bank = np.flatnonzero(table.splits == TEST), np.flatnonzero(table.splits != TEST)
    among_all = len(candidates) == 0 or len(bank) == 0
    if among_all:
        candidates = bank = np.arange(len(table.splits))
    drawn = np.random.default_rng(seed).choice(candidates, min(queries, len(candidates)), replace=False)
    nearest = bank[find_nearest_rows(table.features[drawn], table.features[bank], neighbours + among_all)]  # (Q, K)
    if not among_all:
        return drawn, nearest
    others = [[row for row in rows if row != query][:neighbours] for query, rows in zip(drawn, nearest, strict=True)]
    return drawn, np.array(others, dtype=np.int64).reshape(len(drawn), -1)


def make_neighbourhoods(
    chosen: tuple[np.ndarray, np.ndarray],
    table: Embeddings,
    pictures: Mapping[int, str],
    class_names: Sequence[str],
    precision: Mapping[str, float],
) -> list[Neighbourhood]:
    """Return the chosen images as the template needs them; `precision` is the average precision of queries by id."""

    def make_picture(row: int, note: str = "") -> Picture:
        label = table.labels[row]
        return Picture(pictures[int(row)], class_names[label] if label >= 0 else "", note)

    def write_note(row: int) -> str:
        return f"AP {precision[name]:.2f}" if (name := str(table.ids[row])) in precision else ""

    return [
        Neighbourhood(make_picture(query, write_note(query)), [make_picture(row) for row in rows])
        for query, rows in zip(*chosen, strict=True)
    ]
