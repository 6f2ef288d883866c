"""Shows which classes the encoder's classifier confuses: the commonest mistakes with pictures, and a matrix of all.

N test images, K classes, k of them drawn.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from components.features.encoders import OURS
from components.report.page.pictures import Picture
from components.report.page.theme import COLOURS, INK, make_figure
from components.report.words import shorten

CLASSES = 30  # in the matrix, at most; of more classes, those with the most mistakes are drawn
PICTURES = 6  # per kind of mistake
FULL_RED = 0.1  # a mistake made for this share of a class, or the commonest if that is more, is drawn in full red
NAME = 14  # letters of a class's name on an axis, at most
BLUE, RED = COLOURS[OURS], "#c93a2b"


@dataclass(frozen=True)
class Mistake:
    """A kind of mistake: the test images of one class that were taken for the same wrong class."""

    actual: int
    predicted: int
    places: list[int]  # among the test images
    of_class: int  # test images of the actual class


def find_commonest(actual: np.ndarray, predicted: np.ndarray, count: int) -> list[Mistake]:
    """Find the `count` kinds of mistake with the most images, the commonest first: (N,), (N,)."""
    wrong = np.flatnonzero(actual != predicted).tolist()
    kinds = Counter((int(actual[place]), int(predicted[place])) for place in wrong)
    ranked = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))[:count]
    return [
        Mistake(
            *kind,
            [place for place in wrong if (actual[place], predicted[place]) == kind],
            int((actual == kind[0]).sum()),
        )
        for kind, _ in ranked
    ]


def describe_mistakes(
    mistakes: Sequence[Mistake], rows: np.ndarray, pictures: Mapping[int, str], class_names: Sequence[str]
) -> list[dict[str, object]]:
    """Return the mistakes as the template needs them; `rows` (N,) are the test images' rows of the store."""
    return [
        {
            "actual": class_names[mistake.actual],
            "predicted": class_names[mistake.predicted],
            "count": len(mistake.places),
            "of_class": mistake.of_class,
            "images": [Picture(pictures[int(rows[place])], "") for place in mistake.places[:PICTURES]],
        }
        for mistake in mistakes
    ]


def choose_classes(actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Choose the most confused of K classes, ascending: (N,), (N,) -> (k,)."""
    if classes <= CLASSES:
        return np.arange(classes)
    wrong = actual != predicted
    mistakes = sum(np.bincount(labels[wrong], minlength=classes) for labels in (actual, predicted))  # (K,)
    return np.sort(np.argsort(-mistakes, kind="stable")[:CLASSES])


def draw_matrix(title: str, actual: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> figure:
    """Draw the number of test images by true and by predicted class; mistakes stand out."""
    drawn = choose_classes(actual, predicted, len(class_names))  # k of K, since K x K cells may not fit in memory
    inside = np.isin(actual, drawn) & np.isin(predicted, drawn)
    counts = np.zeros((len(drawn), len(drawn)), dtype=int)  # (k, k)
    np.add.at(counts, tuple(np.searchsorted(drawn, labels[inside]) for labels in (actual, predicted)), 1)
    share = counts / np.bincount(actual, minlength=len(class_names))[drawn][:, None].clip(min=1)
    right = np.eye(len(drawn), dtype=bool)
    most_wrong = max(float(share[~right].max(initial=0)), FULL_RED)
    opacity = np.where(right, share * 0.5, share / most_wrong)
    truth, answer = np.nonzero(counts)
    names = [class_names[label] for label in drawn]
    of_cell = (truth, answer)
    columns = {
        "x": answer, "y": truth, "actual": [names[n] for n in truth], "predicted": [names[n] for n in answer],
        "count": counts[of_cell], "share": share[of_cell], "opacity": opacity[of_cell],
        "colour": np.where(right, BLUE, RED)[of_cell],
    }  # fmt: skip
    strong = (~right & (opacity > 0.5))[of_cell]
    if len(drawn) < len(class_names):
        title = f"{len(drawn)} most confused of {len(class_names)} classes"
    return draw_cells(title, {name: np.asarray(column).tolist() for name, column in columns.items()}, strong, names)


def draw_cells(title: str, columns: dict[str, list[object]], strong: np.ndarray, names: Sequence[str]) -> figure:
    """Draw a rectangle per cell that is not 0, with its number, which is white where the red is `strong`."""
    plot = make_figure(title, max(360, 110 + 24 * len(names)), x_axis_label="predicted", y_axis_label="actual")
    plot.x_range, plot.y_range = Range1d(start=-0.5, end=len(names) - 0.5), Range1d(start=len(names) - 0.5, end=-0.5)
    short = [shorten(name, NAME) for name in names]
    for axis in (plot.xaxis[0], plot.yaxis[0]):
        axis.ticker = FixedTicker(ticks=list(range(len(short))))
        axis.major_label_overrides = dict(enumerate(short))
    if max(len(name) for name in short) > 2:
        plot.xaxis.major_label_orientation = "vertical"
    plot.grid.grid_line_color = None
    source = ColumnDataSource(columns)
    cells = plot.rect("x", "y", 0.96, 0.96, source=source, color="colour", fill_alpha="opacity", line_alpha=0)
    if len(names) <= CLASSES // 2:
        for colour, chosen in (("#ffffff", strong), (INK, ~strong)):
            part = {axis: np.asarray(columns[axis])[chosen].tolist() for axis in ("x", "y")}
            part["text"] = [str(count) for count in np.asarray(columns["count"])[chosen].tolist()]
            plot.text(
                "x", "y", "text", source=ColumnDataSource(part), text_align="center", text_baseline="middle",
                text_color=colour, text_font_size="12px",
            )  # fmt: skip
    tooltips = [("actual", "@actual"), ("predicted", "@predicted"), ("images", "@count (@share{0.0 %} of the class)")]
    plot.add_tools(HoverTool(renderers=[cells], tooltips=tooltips))
    return plot
