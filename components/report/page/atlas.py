"""Draws a map of the embedding by t-SNE: images are near each other if the encoder finds them alike.

Rows are scaled to length 1 first, so that near means a high cosine, as in the probes. Neighbours are taken in the
embedding itself: the map cannot keep all of them near (van der Maaten and Hinton 2008, JMLR 9, 2579-2605).

N images of the store, n on the map, D features, K neighbours.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Range1d, TapTool
from bokeh.plotting import figure

from components.features.cosine import normalise_rows
from components.features.embeddings import Embeddings
from components.features.places import place_images
from components.report.page.theme import INK, MARKERS, PALETTE, escape_tex, make_figure
from components.report.words import count
from components.store.squares import draw_rows
from components.store.store import SPLITS, TEST

UNNAMED = "no label"
OTHER_LOOK = (INK, "x")
NAMED = 18  # classes with a look of their own, where there are more classes than looks
OTHERS = "other class(es)"
TOOLTIP = """
<div style="text-align: center; color: #16181b">
  <img src="@image" alt="" style="display: block; width: 96px; height: 96px; object-fit: contain; {rendering}">@label
</div>"""


@dataclass(frozen=True)
class Atlas:
    """The images on the map, their places, and their nearest neighbours."""

    rows: np.ndarray  # (n,) of the store
    places: np.ndarray  # (n, 2)
    nearest: np.ndarray  # (n, K) numbers of images on the map
    cosines: np.ndarray  # (n, K)
    labelled: np.ndarray  # (n,) bool
    kinds: list[str]  # (n,) what gives the colour: class, split or nothing


def make_atlas(table: Embeddings, class_names: Sequence[str], *, images: int, neighbours: int, seed: int) -> Atlas:
    """Make a map of at most `images` images, of the test split if it has several."""
    rows = choose_rows(table.splits, images, seed)
    features = table.features[rows]  # (n, D)
    nearest, cosines = find_neighbours(features, neighbours)
    labelled = table.labels[rows] >= 0
    kinds = name_kinds(table, rows, class_names)
    return Atlas(rows, place_images(features, seed), nearest, cosines, labelled, kinds)


def choose_rows(splits: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Choose the rows of the map at random, ascending: (N,) -> (n,)."""
    test = np.flatnonzero(splits == TEST)
    candidates = test if len(test) > 1 else np.arange(len(splits))
    return draw_rows(candidates, count, np.random.default_rng(seed))


def find_neighbours(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the images with the highest cosine to each image, the highest first: (n, D) -> images, cosines (n, K)."""
    rows = normalise_rows(features)
    count = min(count, len(rows) - 1)
    nearest, cosines = np.zeros((len(rows), count), int), np.zeros((len(rows), count))
    for number, row in enumerate(rows):
        cosine = rows @ row  # (n,)
        cosine[number] = -np.inf
        nearest[number] = np.argsort(-cosine, kind="stable")[:count]
        cosines[number] = cosine[nearest[number]]
    return nearest, cosines


def name_kinds(table: Embeddings, rows: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Return the class of each row (n,); if no row has a label, the split of each row if there are several splits."""
    labels, splits = table.labels[rows], table.splits[rows]
    if (labels >= 0).any():
        return [class_names[label] if label >= 0 else UNNAMED for label in labels]
    return splits.tolist() if len(set(splits.tolist())) > 1 else [""] * len(rows)


def rank_kinds(atlas: Atlas, class_names: Sequence[str]) -> list[str]:
    """Return the kinds that have a look of their own, in the classes' order: all of them, or the most frequent on the
    map if there are more than there are looks."""
    counts = Counter(kind for kind in atlas.kinds if kind != UNNAMED)
    known = [kind for kind in dict.fromkeys([*class_names, *SPLITS, ""]) if kind in counts]
    if len(known) <= len(PALETTE) * len(MARKERS):
        return known
    frequent = {kind for kind, _ in sorted(counts.items(), key=lambda kind: (-kind[1], kind[0]))[:NAMED]}
    return [kind for kind in known if kind in frequent]


def assign_styles(atlas: Atlas, class_names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Assign a colour and a marker to each kind, all colours with one marker, then the next; other kinds are gray."""
    markers = list(MARKERS)
    others = list_others(atlas, class_names)
    colours = PALETTE[:-1] if others else PALETTE  # the last is gray too
    styles = {UNNAMED: (INK, markers[0])} | dict.fromkeys(others, OTHER_LOOK)
    for n, kind in enumerate(rank_kinds(atlas, class_names)):
        styles[kind] = (colours[n % len(colours)], markers[n // len(colours)])
    return {kind: styles[kind] for kind in styles if kind in set(atlas.kinds)}


def list_others(atlas: Atlas, class_names: Sequence[str]) -> list[str]:
    """List the classes that have no look of their own, by name."""
    return sorted(set(atlas.kinds) - set(rank_kinds(atlas, class_names)) - {UNNAMED})


def list_legend(atlas: Atlas, class_names: Sequence[str]) -> list[dict[str, str]]:
    """List the entries of the legend below the map; it is empty if there is only one kind."""
    if len(set(atlas.kinds)) < 2:
        return []
    styles, others = assign_styles(atlas, class_names), list_others(atlas, class_names)
    named = [*rank_kinds(atlas, class_names), *([UNNAMED] if UNNAMED in styles else [])]
    looks = {kind: styles[kind] for kind in named} | ({count(len(others), OTHERS): OTHER_LOOK} if others else {})
    signs = {**MARKERS, OTHER_LOOK[1]: "×"}
    return [
        {"kind": escape_tex(kind), "colour": colour, "sign": signs[marker]} for kind, (colour, marker) in looks.items()
    ]


def draw_map(
    atlas: Atlas, names: Sequence[str], images: Sequence[str], class_names: Sequence[str], tiny: bool
) -> figure:
    """Draw the map; `names` and `images` are those of its points. page.js handles a tap on a point."""
    styles = assign_styles(atlas, class_names)
    x, y = atlas.places.round(3).T.tolist()
    colours, markers = zip(*(styles[kind] for kind in atlas.kinds), strict=True)
    columns: dict[str, Any] = {"x": x, "y": y, "label": atlas.kinds, "colour": colours, "marker": markers}
    others = set(list_others(atlas, class_names))
    group = count(len(others), OTHERS)
    columns["group"] = [group if kind in others else kind for kind in atlas.kinds]
    columns |= {"image": list(images), "name": list(names), "alpha": [0.85] * len(x)}
    ranges = {f"{axis}_range": make_range(values) for axis, values in (("x", x), ("y", y))}
    options = {"sizing_mode": "stretch_both", "tools": "pan,wheel_zoom,reset", "toolbar_location": "above"}
    plot = make_figure("", 320, **options, active_drag=None, active_scroll=None, **ranges)
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


def make_range(values: Sequence[float]) -> Range1d:
    """Make a range that holds all values with a margin."""
    margin = 0.04 * (max(values) - min(values)) or 1.0
    return Range1d(start=min(values) - margin, end=max(values) + margin)


def export_for_script(atlas: Atlas) -> dict[str, Any]:
    """Return the data that page.js needs beside the chart."""
    near = {"nearest": atlas.nearest.tolist(), "cosines": atlas.cosines.round(3).tolist()}
    return near | {"labelled": atlas.labelled.tolist()}
