"""Charts of the probes' curves and of the classes, each a function from numbers to a Bokeh figure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, DataRange1d, FactorRange, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure
from bokeh.transform import dodge

from components.features.encoders import OURS, PIXELS
from components.report.page.theme import COLOURS, blank, colour_of, legend_above

Metrics = Mapping[str, Any]  # one encoder's metrics of one probe
Place = tuple[str, str]  # on the axis of labels: the group and the place in it

CLASSES = 40  # whose images are counted in a chart
PER_CLASS, SHARE = "labels a class", "share of the labels"
BESIDE = 0.12  # between the encoders' points of one place, of a place's width


def label_places(by_encoder: Mapping[str, Metrics]) -> dict[Place, str]:
    """Place on the axis -> metric: labels a class, then shares of the labels, each ascending; all of them last."""
    keys = {key for metrics in by_encoder.values() for key in metrics}
    counts = sorted(int(found[1]) for key in keys if (found := re.fullmatch(r"accuracy_(\d+)_per_class", key)))
    percents = (re.fullmatch(r"accuracy_(\d[\d.e-]*)_percent", key) for key in keys)
    shares = sorted((found[1] for found in percents if found), key=float)
    places = {(PER_CLASS, str(count)): f"accuracy_{count}_per_class" for count in counts}
    places |= {(SHARE, f"{share} %"): f"accuracy_{share}_percent" for share in shares}
    return {**places, (SHARE, "all"): "accuracy"} if places and "accuracy" in keys else places


def few_labels(title: str, by_encoder: Mapping[str, Metrics], places: Mapping[Place, str]) -> figure:
    """Accuracy against labels, with 95 % intervals."""
    plot = blank(title, 310, x_range=FactorRange(factors=list(places), group_padding=0.6))
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    ends = [metrics.get(f"{key}{end}") for metrics in by_encoder.values() for key in places.values() for end in ENDS]
    measured = [end for end in ends if end is not None]
    margin = 0.04 * (max(measured) - min(measured)) + 0.005
    plot.y_range = Range1d(
        start=min(measured) - margin, end=max(measured) + margin
    )  # Bokeh's own does not ask the bars
    points = []
    for number, (encoder, metrics) in enumerate(by_encoder.items()):
        aside = BESIDE * (number - (len(by_encoder) - 1) / 2)
        for group in (PER_CLASS, SHARE):
            found = {place: key for place, key in places.items() if place[0] == group and key in metrics}
            if found:
                points.append(draw_encoder(plot, encoder, metrics, found, aside))
    tooltips = [
        ("encoder", "@encoder"),
        ("labels", "@labels"),
        ("accuracy", "@value{0.0 %} (@low{0.0 %} – @high{0.0 %})"),
    ]
    plot.add_tools(HoverTool(renderers=points, tooltips=tooltips))
    legend_above(plot)
    return plot


ENDS = ("", "_low", "_high")


def draw_encoder(plot: figure, encoder: str, metrics: Metrics, found: Mapping[Place, str], aside: float) -> Any:
    """A line with bars; returns its points."""
    columns: dict[str, list[Any]] = {"place": list(found), "encoder": [encoder] * len(found)}
    columns["labels"] = [f"{name} {group}" if group == PER_CLASS else name for group, name in found]
    for column, end in zip(("value", "low", "high"), ENDS, strict=True):
        columns[column] = [metrics.get(f"{key}{end}", metrics[key]) for key in found.values()]
    source, colour = ColumnDataSource(columns), colour_of(encoder)
    place = dodge("place", aside, range=plot.x_range)
    plot.line(place, "value", source=source, color=colour, line_width=2.5, legend_label=encoder)
    head = TeeHead(size=7, line_color=colour)
    ends: dict[str, Any] = {"lower": "low", "upper": "high", "lower_head": head, "upper_head": head}
    plot.add_layout(Whisker(source=source, base=place, line_color=colour, line_width=1.5, **ends))
    return plot.scatter(place, "value", source=source, color=colour, size=8, legend_label=encoder)


def curve(title: str, columns: Mapping[str, Sequence[float | None]], names: tuple[str, str], **options: Any) -> figure:
    """A line an encoder against the first of the columns; `names` are the axes'."""
    (x_name, x), *lines = columns.items()
    plot = blank(title, 320, x_axis_label=names[0], y_axis_label=names[1], **options)
    drawn: list[Any] = []
    for encoder, y in lines:
        source = ColumnDataSource({"x": list(x), "y": list(y), "encoder": [encoder] * len(x)})
        drawn.append(plot.line("x", "y", source=source, color=colour_of(encoder), line_width=2.5, legend_label=encoder))
    tooltips = [("encoder", "@encoder"), (x_name.replace("_", " "), "@x"), (names[1], "@y{0.0 %}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips))
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    legend_above(plot)
    return plot


def class_counts(by_class: Sequence[Mapping[str, Any]]) -> figure:
    """Labelled images of every class, to train on and to test on."""
    columns = {key: [one[key] for one in by_class] for key in ("class", "train", "test")}
    height = 130 + 22 * len(by_class)
    plot = blank("Labelled images a class", height, x_range=DataRange1d(start=0), y_range=columns["class"][::-1])
    splits, colours = ["train", "test"], [COLOURS[OURS], COLOURS[PIXELS]]
    plot.hbar_stack(splits, y="class", height=0.8, source=columns, color=colours, legend_label=splits)
    plot.add_tools(HoverTool(tooltips=[("class", "@class"), *((split, f"@{split}") for split in splits)]))
    legend_above(plot)
    return plot
