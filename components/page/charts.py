"""The report's charts, each a function from numbers to a Bokeh figure that reads on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool, NumeralTickFormatter
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure
from bokeh.themes import Theme

Metrics = Mapping[str, float]  # one encoder's metrics of one probe

COLOURS = {"byol": "#2f7bf6", "pixels": "#e08a1e", "random": "#8d99a8"}
OTHER_COLOUR = "#a05fd0"
INK = "#85898f"  # in contrast with white and with black
CLASSES = 40  # whose images are counted in a chart
FULL_RED = 0.1  # a mistake made for this share of a class, or the commonest if that is more, is drawn in full red


AXIS_TEXT = {"text_color": INK, "text_font_size": "12px"}
THEME = Theme(
    json={
        "attrs": {
            "Plot": {"background_fill_color": None, "border_fill_color": None, "outline_line_color": None},
            "Title": {"text_color": INK, "text_font_size": "14px"},
            "Grid": {"grid_line_color": INK, "grid_line_alpha": 0.25},
            "Axis": {
                **{f"{part}_line_color": INK for part in ("axis", "major_tick", "minor_tick")},
                **{f"{part}_label_{key}": value for part in ("axis", "major") for key, value in AXIS_TEXT.items()},
            },
            "Legend": {
                "background_fill_alpha": 0,
                "border_line_alpha": 0,
                **{f"label_{key}": value for key, value in AXIS_TEXT.items()},
            },
        }
    }
)


def blank(title: str, height: int, **options: Any) -> figure:
    """An empty figure, as wide as its place in the page."""
    return figure(title=title, height=height, sizing_mode="stretch_width", toolbar_location=None, tools="", **options)


def few_labels(title: str, by_encoder: Mapping[str, Metrics], counts: Sequence[int]) -> figure:
    """Accuracy against labels a class, with 95 % intervals; the last place is all labels."""
    places = [*(str(count) for count in counts), "all"]
    keys = [*(f"accuracy_{count}_per_class" for count in counts), "accuracy"]
    plot = blank(title, 340, x_range=places, x_axis_label="labels a class", y_axis_label="accuracy on the test images")
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    for encoder, metrics in by_encoder.items():
        colour = COLOURS.get(encoder, OTHER_COLOUR)
        source = ColumnDataSource(
            {
                "place": places,
                "value": [metrics[key] for key in keys],
                "low": [metrics[f"{key}_low"] for key in keys],
                "high": [metrics[f"{key}_high"] for key in keys],
                "encoder": [encoder] * len(places),
            }
        )
        plot.line("place", "value", source=source, color=colour, line_width=2.5, legend_label=encoder)
        plot.scatter("place", "value", source=source, color=colour, size=8)
        head = TeeHead(size=8, line_color=colour)
        bar: dict[str, Any] = {"base": "place", "lower": "low", "upper": "high", "lower_head": head, "upper_head": head}
        plot.add_layout(Whisker(source=source, line_color=colour, line_width=1.5, **bar))
    plot.add_tools(
        HoverTool(
            tooltips=[
                ("encoder", "@encoder"),
                ("labels a class", "@place"),
                ("accuracy", "@value{0.0 %} (@low{0.0 %} to @high{0.0 %})"),
            ]
        )
    )
    plot.legend.location = "bottom_right"
    return plot


def loss_curve(epochs: Sequence[int], losses: Sequence[float]) -> figure:
    """The training loss by epoch."""
    plot = blank("BYOL loss (sum of both directions, 0 to 8)", 300, x_axis_label="epoch", y_axis_label="loss")
    source = ColumnDataSource({"epoch": list(epochs), "loss": list(losses)})
    line = plot.line("epoch", "loss", source=source, color=COLOURS["byol"], line_width=2.5)
    tooltips = [("epoch", "@epoch"), ("loss", "@loss{0.000}")]
    plot.add_tools(HoverTool(renderers=[line], tooltips=tooltips, mode="vline"))
    return plot


def class_counts(by_class: Sequence[Mapping[str, Any]]) -> figure:
    """Labelled images of every class, to train on and to test on."""
    columns = {key: [one[key] for one in by_class] for key in ("class", "train", "test")}
    height = 130 + 22 * len(by_class)
    plot = blank("Labelled images a class", height, x_range=DataRange1d(start=0), y_range=columns["class"][::-1])
    splits, colours = ["train", "test"], [COLOURS["byol"], COLOURS["pixels"]]
    plot.hbar_stack(splits, y="class", height=0.8, source=columns, color=colours, legend_label=splits)
    plot.add_tools(HoverTool(tooltips=[("class", "@class"), *((split, f"@{split}") for split in splits)]))
    plot.legend.orientation = "horizontal"
    plot.add_layout(plot.legend[0], "above")
    return plot


def confusion(title: str, actual: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> figure:
    """Test images by true and by predicted class; the wrong ones stand out."""
    counts = np.zeros((len(class_names), len(class_names)), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    of_class = counts.sum(1, keepdims=True).clip(min=1)
    share = counts / of_class
    truth, answer = (axis.ravel() for axis in np.indices(counts.shape))
    right = truth == answer
    most_wrong = max(float(share.ravel()[~right].max(initial=0)), FULL_RED)
    opacity = np.where(right, share.ravel() * 0.5, share.ravel() / most_wrong)
    source = ColumnDataSource(
        {
            "actual": [class_names[int(n)] for n in truth],
            "predicted": [class_names[int(n)] for n in answer],
            "count": counts.ravel(),
            "share": share.ravel(),
            "text": [str(n) if n else "" for n in counts.ravel()],
            "colour": np.where(right, COLOURS["byol"], "#e0432f"),
            "opacity": opacity,
        }
    )
    plot = blank(
        title,
        420,
        x_range=list(class_names),
        y_range=list(class_names)[::-1],
        x_axis_label="predicted",
        y_axis_label="actual",
    )
    plot.grid.grid_line_color = None
    cells = plot.rect(
        "predicted", "actual", 0.96, 0.96, source=source, color="colour", fill_alpha="opacity", line_alpha=0
    )
    plot.text(
        "predicted", "actual", "text", source=source, text_align="center", text_baseline="middle", text_color=INK,
        text_font_size="12px",
    )  # fmt: skip
    tooltips = [("actual", "@actual"), ("predicted", "@predicted"), ("images", "@count (@share{0.0 %} of the class)")]
    plot.add_tools(HoverTool(renderers=[cells], tooltips=tooltips))
    return plot
