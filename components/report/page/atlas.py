"""A map of the embedding: images near each other where the encoder finds them alike, by t-SNE.

Rows are brought to length 1 first, so that near means a high cosine, as in the probes. Neighbours are taken in the
embedding itself: the map cannot keep all of them near (van der Maaten and Hinton 2008, JMLR 9, 2579-2605).

N images of the store, n on the map, D features, K neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Range1d, TapTool
from bokeh.plotting import figure
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from components.features.embeddings import Embeddings
from components.report.page.pictures import unit
from components.report.page.theme import INK, MARKERS, PALETTE, blank
from components.store.squares import draw
from components.store.store import SPLITS, TEST

PERPLEXITY = 30.0  # scikit-learn's own; less where there are few images
LEAST = 5  # images or features, for t-SNE
UNNAMED = "no label"
TOOLTIP = """
<div style="text-align: center; color: #16181b">
  <img src="@image" alt="" style="display: block; width: 96px; height: 96px; object-fit: contain; {rendering}">@label
</div>"""


@dataclass(frozen=True)
class Atlas:
    """Which images, where they are, and which are most alike."""

    rows: np.ndarray  # (n,) of the store
    places: np.ndarray  # (n, 2)
    nearest: np.ndarray  # (n, K) numbers of images on the map
    cosines: np.ndarray  # (n, K)
    labelled: np.ndarray  # (n,) bool
    kinds: list[str]  # (n,) by which it is coloured: class, split or nothing


def draw_up(table: Embeddings, class_names: Sequence[str], *, images: int, neighbours: int, seed: int) -> Atlas:
    """The map of so many images at most, of the test split if there is one."""
    rows = choose(table.splits, images, seed)
    features = table.features[rows]  # (n, D)
    nearest, cosines = alike(features, neighbours)
    labelled = table.labels[rows] >= 0
    return Atlas(rows, spread(features, seed), nearest, cosines, labelled, kinds(table, rows, class_names))


def choose(splits: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(N,) -> (n,) rows, ascending."""
    test = np.flatnonzero(splits == TEST)
    among = test if len(test) else np.arange(len(splits))
    return draw(among, count, np.random.default_rng(seed))


def spread(features: np.ndarray, seed: int) -> np.ndarray:
    """(n, D) -> (n, 2); two principal components where t-SNE has too little to go by."""
    rows = unit(features.astype(np.float64))
    if min(rows.shape) < LEAST:
        return principal(rows)
    if np.ptp(rows, axis=0).max() < 1e-6:  # collapsed
        return np.zeros((len(rows), 2))
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(1):  # the same bits on any number of cores
        places = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(rows)
    return np.asarray(places, dtype=np.float64)


def principal(rows: np.ndarray) -> np.ndarray:
    """(n, D) -> (n, 2), of a matrix that is small one way."""
    axes, lengths, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    places = np.zeros((len(rows), 2))
    places[:, : min(2, len(lengths))] = (axes * lengths)[:, :2]
    return places


def alike(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, D) -> (n, K) the others with the highest cosine, and these, the highest first."""
    rows = unit(features)
    count = min(count, len(rows) - 1)
    nearest, cosines = np.zeros((len(rows), count), int), np.zeros((len(rows), count))
    for number, row in enumerate(rows):
        cosine = rows @ row  # (n,)
        cosine[number] = -np.inf
        nearest[number] = np.argsort(-cosine, kind="stable")[:count]
        cosines[number] = cosine[nearest[number]]
    return nearest, cosines


def kinds(table: Embeddings, rows: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """(n,) the classes; where there is no label, the splits if there are several."""
    labels, splits = table.labels[rows], table.splits[rows]
    if (labels >= 0).any():
        return [class_names[label] if label >= 0 else UNNAMED for label in labels]
    return splits.tolist() if len(set(splits.tolist())) > 1 else [""] * len(rows)


def styles(atlas: Atlas, class_names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Kind -> colour and marker, in the classes' order: first the colours change, then the shapes, then both again."""
    present, order = set(atlas.kinds), [*class_names, *SPLITS, ""]
    known = [kind for kind in dict.fromkeys(order) if kind in present and kind != UNNAMED]
    markers = list(MARKERS)
    found = {
        kind: (PALETTE[n % len(PALETTE)], markers[n // len(PALETTE) % len(markers)]) for n, kind in enumerate(known)
    }
    return found | ({UNNAMED: (INK, markers[0])} if UNNAMED in present else {})


def legend(atlas: Atlas, class_names: Sequence[str]) -> list[dict[str, str]]:
    """Beside the map; nothing where there is one kind only."""
    found = styles(atlas, class_names)
    if len(found) < 2:
        return []
    return [{"kind": kind, "colour": colour, "sign": MARKERS[marker]} for kind, (colour, marker) in found.items()]


def chart(atlas: Atlas, names: Sequence[str], images: Sequence[str], class_names: Sequence[str], tiny: bool) -> figure:
    """The map; `names` and `images` are those of its points. page.js answers to a tap."""
    found = styles(atlas, class_names)
    x, y = atlas.places.round(3).T.tolist()
    colours, markers = zip(*(found[kind] for kind in atlas.kinds), strict=True)
    columns: dict[str, Any] = {"x": x, "y": y, "label": atlas.kinds, "colour": colours, "marker": markers}
    columns |= {"image": list(images), "name": list(names), "alpha": [0.85] * len(x)}
    ranges = {f"{axis}_range": around(values) for axis, values in (("x", x), ("y", y))}
    options = {"sizing_mode": "stretch_both", "tools": "pan,wheel_zoom,reset", "toolbar_location": "above"}
    plot = blank("", 320, **options, active_drag=None, active_scroll=None, **ranges)
    plot.axis.visible = plot.grid.visible = False
    plot.toolbar.logo = None
    source = ColumnDataSource(columns, name="map")
    size = 9 if len(x) <= 1000 else 6
    points = plot.scatter(
        "x", "y", source=source, marker="marker", color="colour", alpha="alpha", size=size,
        nonselection_alpha="alpha",
    )  # fmt: skip
    rings = ColumnDataSource({"x": [], "y": [], "size": [], "width": []}, name="map rings")
    plot.scatter("x", "y", source=rings, size="size", line_width="width", line_color=INK, fill_color=None)
    tooltip = TOOLTIP.format(rendering="image-rendering: pixelated" if tiny else "")
    plot.add_tools(
        HoverTool(renderers=[points], tooltips=tooltip, limit=1, visible=False),
        TapTool(renderers=[points], visible=False),
    )
    return plot


def around(values: Sequence[float]) -> Range1d:
    """All of them, with a margin."""
    margin = 0.04 * (max(values) - min(values)) or 1.0
    return Range1d(start=min(values) - margin, end=max(values) + margin)


def for_script(atlas: Atlas) -> dict[str, Any]:
    """What page.js must know beside the chart."""
    near = {"nearest": atlas.nearest.tolist(), "cosines": atlas.cosines.round(3).tolist()}
    return near | {"labelled": atlas.labelled.tolist()}
