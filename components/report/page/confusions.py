"""What the encoder's classifier takes for what: the commonest mistakes with pictures, and the matrix of all.

N test images, K classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from components.features.encoders import OURS
from components.report.page.pictures import Shown
from components.report.page.theme import COLOURS, INK, blank

CLASSES = 30  # of the matrix, at most; of more, those with the most mistakes are drawn
PICTURES = 6  # of one kind of mistake
FULL_RED = 0.1  # a mistake made for this share of a class, or the commonest if that is more, is drawn in full red
NAME = 14  # letters of a class's name on an axis
BLUE, RED = COLOURS[OURS], "#c93a2b"


@dataclass(frozen=True)
class Mistake:
    """Test images of one class that were all taken for the same other one."""

    actual: int
    predicted: int
    places: list[int]  # among the test images
    of_class: int  # test images of the actual class


def commonest(actual: np.ndarray, predicted: np.ndarray, count: int) -> list[Mistake]:
    """(N,), (N,) -> the kinds of mistake by number, the most first."""
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


def shown(
    mistakes: Sequence[Mistake], rows: np.ndarray, pictures: Mapping[int, str], class_names: Sequence[str]
) -> list[dict[str, object]]:
    """For the template; `rows` are the test images' in the store: (N,)."""
    return [
        {
            "actual": class_names[one.actual],
            "predicted": class_names[one.predicted],
            "count": len(one.places),
            "of_class": one.of_class,
            "images": [Shown(pictures[int(rows[place])], "") for place in one.places[:PICTURES]],
        }
        for one in mistakes
    ]


def most_confused(actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(N,), (N,) of K -> the classes to draw, ascending."""
    if classes <= CLASSES:
        return np.arange(classes)
    wrong = actual != predicted
    mistakes = sum(np.bincount(of[wrong], minlength=classes) for of in (actual, predicted))  # (K,)
    return np.sort(np.argsort(-mistakes, kind="stable")[:CLASSES])


def matrix(title: str, actual: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> figure:
    """Test images by true and by predicted class; the wrong ones stand out."""
    drawn = most_confused(actual, predicted, len(class_names))  # k of K, since K x K cells may not fit the memory
    inside = np.isin(actual, drawn) & np.isin(predicted, drawn)
    counts = np.zeros((len(drawn), len(drawn)), dtype=int)  # (k, k)
    np.add.at(counts, tuple(np.searchsorted(drawn, of[inside]) for of in (actual, predicted)), 1)
    share = counts / np.bincount(actual, minlength=len(class_names))[drawn][:, None].clip(min=1)
    right = np.eye(len(drawn), dtype=bool)
    most_wrong = max(float(share[~right].max(initial=0)), FULL_RED)
    opacity = np.where(right, share * 0.5, share / most_wrong)
    truth, answer = np.nonzero(counts)
    names = [class_names[one] for one in drawn]
    of_cell = (truth, answer)
    columns = {
        "x": answer, "y": truth, "actual": [names[n] for n in truth], "predicted": [names[n] for n in answer],
        "count": counts[of_cell], "share": share[of_cell], "opacity": opacity[of_cell],
        "colour": np.where(right, BLUE, RED)[of_cell],
    }  # fmt: skip
    strong = (~right & (opacity > 0.5))[of_cell]
    if len(drawn) < len(class_names):
        title = f"The {len(drawn)} most confused of {len(class_names)} classes"
    return draw(title, {name: np.asarray(column).tolist() for name, column in columns.items()}, strong, names)


def draw(title: str, columns: dict[str, list[object]], strong: np.ndarray, names: Sequence[str]) -> figure:
    """One rectangle a cell that is not 0, with its number, in white where the red is `strong`."""
    plot = blank(title, max(360, 110 + 24 * len(names)), x_axis_label="predicted", y_axis_label="actual")
    plot.x_range, plot.y_range = Range1d(start=-0.5, end=len(names) - 0.5), Range1d(start=len(names) - 0.5, end=-0.5)
    short = [name if len(name) <= NAME else f"{name[: NAME - 6]}…{name[-5:]}" for name in names]
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
