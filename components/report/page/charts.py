"""Draws charts of the probes' curves and of the classes; each function turns numbers into a Bokeh figure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import (
    ColumnDataSource,
    DataRange1d,
    FactorRange,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure
from bokeh.transform import dodge

from components.features.encoders import OURS, PIXELS
from components.report.page.theme import COLOURS, choose_colour, make_figure, put_legend_above
from components.report.words import shorten

Metrics = Mapping[str, Any]  # one encoder's metrics of one probe
Place = tuple[str, str]  # on the axis of labels: a group and a place in it

CLASSES = 40  # at most, for a chart of their images
NAME = 18  # letters of a class's name on an axis, at most
FEW_LABELS = r"accuracy_[\d.e-]+_(per_class|percent)$"  # metrics of the chart of few labels
PER_CLASS, SHARE = "labels per class", "share of the labels"
BESIDE = 0.12  # distance between the encoders' points of one place, as a share of its width


def list_label_places(by_encoder: Mapping[str, Metrics]) -> dict[Place, str]:
    """Return the metric of each place on the axis: labels per class, then shares of the labels, ascending; all last."""
    keys = {key for metrics in by_encoder.values() for key in metrics}
    counts = sorted(int(match[1]) for key in keys if (match := re.fullmatch(r"accuracy_(\d+)_per_class", key)))
    percents = (re.fullmatch(r"accuracy_(\d[\d.e-]*)_percent", key) for key in keys)
    shares = sorted((match[1] for match in percents if match), key=float)
    places = {(PER_CLASS, str(count)): f"accuracy_{count}_per_class" for count in counts}
    places |= {(SHARE, f"{share} %"): f"accuracy_{share}_percent" for share in shares}
    return {**places, (SHARE, "all"): "accuracy"} if places and "accuracy" in keys else places


def draw_few_labels(title: str, by_encoder: Mapping[str, Metrics], places: Mapping[Place, str]) -> figure:
    """Draw the accuracy against the number of labels, with 95 % intervals."""
    plot = make_figure(title, 310, x_range=FactorRange(factors=list(places), group_padding=0.6))
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    ends = [metrics.get(f"{key}{end}") for metrics in by_encoder.values() for key in places.values() for end in ENDS]
    known_ends = [end for end in ends if end is not None]
    margin = 0.04 * (max(known_ends) - min(known_ends)) + 0.005
    # Bokeh's own range does not cover the bars.
    plot.y_range = Range1d(start=min(known_ends) - margin, end=max(known_ends) + margin)
    points = []
    for number, (encoder, metrics) in enumerate(by_encoder.items()):
        aside = BESIDE * (number - (len(by_encoder) - 1) / 2)
        for group in (PER_CLASS, SHARE):
            measured = {place: key for place, key in places.items() if place[0] == group and key in metrics}
            if measured:
                points.append(draw_encoder(plot, encoder, metrics, measured, aside))
    tooltips = [
        ("encoder", "@encoder"),
        ("labels", "@labels"),
        ("accuracy", "@value{0.0 %} (@low{0.0 %} – @high{0.0 %})"),
    ]
    plot.add_tools(HoverTool(renderers=points, tooltips=tooltips))
    put_legend_above(plot)
    return plot


ENDS = ("", "_low", "_high")


def draw_encoder(plot: figure, encoder: str, metrics: Metrics, places: Mapping[Place, str], aside: float) -> Any:
    """Draw an encoder's line with bars, and return its points."""
    columns: dict[str, list[Any]] = {"place": list(places), "encoder": [encoder] * len(places)}
    columns["labels"] = [f"{name} {group}" if group == PER_CLASS else name for group, name in places]
    for column, end in zip(("value", "low", "high"), ENDS, strict=True):
        columns[column] = [metrics.get(f"{key}{end}", metrics[key]) for key in places.values()]
    source, colour = ColumnDataSource(columns), choose_colour(encoder)
    place = dodge("place", aside, range=plot.x_range)
    plot.line(place, "value", source=source, color=colour, line_width=2.5, legend_label=encoder)
    head = TeeHead(size=7, line_color=colour)
    ends: dict[str, Any] = {"lower": "low", "upper": "high", "lower_head": head, "upper_head": head}
    plot.add_layout(Whisker(source=source, base=place, line_color=colour, line_width=1.5, **ends))
    return plot.scatter(place, "value", source=source, color=colour, size=8, legend_label=encoder)


def draw_curve(
    title: str, columns: Mapping[str, Sequence[float | None]], names: tuple[str, str], **options: Any
) -> figure:
    """Draw a line per encoder against the first column; `names` are the axes' labels."""
    (x_name, x), *lines = columns.items()
    plot = make_figure(title, 320, x_axis_label=names[0], y_axis_label=names[1], **options)
    drawn: list[Any] = []
    for encoder, y in lines:
        source = ColumnDataSource({"x": list(x), "y": list(y), "encoder": [encoder] * len(x)})
        drawn.append(
            plot.line("x", "y", source=source, color=choose_colour(encoder), line_width=2.5, legend_label=encoder)
        )
    tooltips = [("encoder", "@encoder"), (x_name.replace("_", " "), "@x"), (names[1], "@y{0.0 %}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips))
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    put_legend_above(plot)
    return plot


def draw_class_counts(by_class: Sequence[Mapping[str, Any]]) -> figure:
    """Draw the number of labelled images of every class in train and in test, the first class on top."""
    columns = {key: [row[key] for row in by_class] for key in ("class", "train", "test")}
    columns["place"] = list(range(len(by_class)))  # and not the name: two long names may be the same when shortened
    rows = Range1d(start=len(by_class) - 0.5, end=-0.5)
    plot = make_figure(
        "Labelled images per class", 130 + 22 * len(by_class), x_range=DataRange1d(start=0), y_range=rows
    )
    plot.yaxis.ticker = FixedTicker(ticks=columns["place"])
    plot.yaxis.major_label_overrides = {n: shorten(name, NAME) for n, name in enumerate(columns["class"])}
    plot.ygrid.grid_line_color = None
    splits, colours = ["train", "test"], [COLOURS[OURS], COLOURS[PIXELS]]
    plot.hbar_stack(splits, y="place", height=0.8, source=columns, color=colours, legend_label=splits)
    plot.add_tools(HoverTool(tooltips=[("class", "@class"), *((split, f"@{split}") for split in splits)]))
    put_legend_above(plot)
    return plot
