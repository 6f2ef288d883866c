"""The report's charts, each a function from numbers to a Bokeh figure that reads on a light and on a dark page."""

from collections.abc import Mapping, Sequence

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Whisker
from bokeh.plotting import figure

Metrics = Mapping[str, float]  # one encoder's metrics of one probe

COLOURS = {"byol": "#2f7bf6", "pixels": "#e08a1e", "random": "#8d99a8"}
OTHER_COLOUR = "#a05fd0"
INK = "#85898f"  # in contrast with white and with black


def blank(title: str, height: int, **options: object) -> figure:
    """An empty figure in the page's style."""
    plot = figure(title=title, height=height, sizing_mode="stretch_width", tools="", toolbar_location=None, **options)
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.title.text_color = INK
    plot.title.text_font_size = "14px"
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = INK
        axis.major_label_text_color = axis.axis_label_text_color = INK
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "12px"
    plot.grid.grid_line_color = INK
    plot.grid.grid_line_alpha = 0.25
    return plot


def style_legend(plot: figure, location: str) -> None:
    """Let the page's colour through."""
    legend = plot.legend[0]
    legend.location = location
    legend.background_fill_alpha = legend.border_line_alpha = 0
    legend.label_text_color = INK
    legend.label_text_font_size = "12px"


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
        whisker = Whisker(base="place", lower="low", upper="high", source=source, line_color=colour, line_width=1.5)
        whisker.upper_head.size = whisker.lower_head.size = 8
        whisker.upper_head.line_color = whisker.lower_head.line_color = colour
        plot.add_layout(whisker)
    plot.add_tools(
        HoverTool(
            tooltips=[
                ("encoder", "@encoder"),
                ("labels a class", "@place"),
                ("accuracy", "@value{0.0 %} (@low{0.0 %} to @high{0.0 %})"),
            ]
        )
    )
    style_legend(plot, "bottom_right")
    return plot


def loss_curve(epochs: Sequence[int], losses: Sequence[float]) -> figure:
    """The training loss by epoch."""
    plot = blank("BYOL loss (sum of both directions, 0 to 8)", 300, x_axis_label="epoch", y_axis_label="loss")
    source = ColumnDataSource({"epoch": list(epochs), "loss": list(losses)})
    line = plot.line("epoch", "loss", source=source, color=COLOURS["byol"], line_width=2.5)
    tooltips = [("epoch", "@epoch"), ("loss", "@loss{0.000}")]
    plot.add_tools(HoverTool(renderers=[line], tooltips=tooltips, mode="vline"))
    return plot


def confusion(title: str, actual: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> figure:
    """Test images by true and by predicted class; the wrong ones stand out."""
    counts = np.zeros((len(class_names), len(class_names)), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    of_class = counts.sum(1, keepdims=True).clip(min=1)
    share = counts / of_class
    truth, answer = (axis.ravel() for axis in np.indices(counts.shape))
    right = truth == answer
    most_wrong = max(float(share[~np.eye(len(class_names), dtype=bool)].max(initial=0)), 1e-9)
    opacity = np.where(right, share.ravel() * 0.5, share.ravel() / most_wrong)
    source = ColumnDataSource(
        {
            "actual": [class_names[n] for n in truth],
            "predicted": [class_names[n] for n in answer],
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
