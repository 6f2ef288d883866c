"""Shows what the classifier's probabilities are worth: a reliability diagram, and its numbers before and after.

The diagram is that of Guo et al. 2017 (arXiv 1706.04599, figure 1) with points in place of bars: where images get the
confidence of a bin, that share of them should be right, so that a calibrated classifier's points lie on the diagonal.
"""

import math
from collections.abc import Mapping
from typing import Any

from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import TeeHead, Whisker
from bokeh.plotting import figure

from components.features.encoders import OURS
from components.report.page.measured import Columns
from components.report.page.numbers import format_interval, spell_value
from components.report.page.theme import COLOURS, INK, OTHER_COLOUR, make_figure, put_legend_above

STATES = {"_uncalibrated": ("before", OTHER_COLOUR), "": ("calibrated", COLOURS[OURS])}
SMALLEST, LARGEST = 5, 16  # pixels of a point
ENDS = ("accuracy", "accuracy_low", "accuracy_high")
MEASURED = {"ece": "expected calibration error", "brier": "Brier score"}


def draw_reliability(columns: Columns) -> figure:
    """Draw the accuracy of each bin of confidence, before and after calibration, with 95 % intervals of the latter."""
    settings: dict[str, Any] = {"x_axis_label": "confidence", "y_axis_label": "accuracy"}
    settings |= {axis: Range1d(start=-0.04, end=1.04) for axis in ("x_range", "y_range")}
    plot = make_figure("Reliability on the test images", 340, **settings)
    plot.xaxis.formatter = plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    plot.line([0, 1], [0, 1], color=INK, line_dash="dashed", line_width=1)
    points: list[Any] = []
    for state, (title, colour) in STATES.items():
        kept = [row for row, value in enumerate(columns[f"confidence{state}"]) if value is not None]
        cells = {name: [columns[f"{name}{state}"][row] for row in kept] for name in ("images", "confidence", *ENDS)}
        total = sum(images or 0 for images in cells["images"]) or 1
        sizes = [SMALLEST + LARGEST * math.sqrt((images or 0) / total) for images in cells["images"]]
        source = ColumnDataSource({**cells, "state": [title] * len(kept), "size": sizes})
        style: dict[str, Any] = {"source": source, "color": colour, "alpha": 0.8, "legend_label": title}
        points.append(plot.scatter("confidence", "accuracy", size="size", **style))
        if not state:
            head = TeeHead(size=7, line_color=colour)
            ends: dict[str, Any] = {"lower": "accuracy_low", "upper": "accuracy_high", "line_color": colour}
            plot.add_layout(Whisker(source=source, base="confidence", lower_head=head, upper_head=head, **ends))
    accuracy = "@accuracy{0.0 %} (@accuracy_low{0.0 %} – @accuracy_high{0.0 %})"
    tooltips = [("", "@state"), ("confidence", "@confidence{0.0 %}"), ("accuracy", accuracy), ("images", "@images")]
    plot.add_tools(HoverTool(renderers=points, tooltips=tooltips))
    put_legend_above(plot)
    return plot


def describe_classifier(metrics: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Describe the classifier: what was chosen, and, if there were test images, each number before and after."""
    rows = [
        (title, f"{metrics[f'{key}_uncalibrated']:.4f}", f"{metrics[key]:.4f}")
        for key, title in MEASURED.items()
        if {key, f"{key}_uncalibrated"} <= metrics.keys()
    ]
    accuracy = spell_value("accuracy", metrics["accuracy"]) if "accuracy" in metrics else ""
    return {
        "reason": metrics.get("skipped", ""),
        "accuracy": accuracy,
        "interval": format_interval("accuracy", metrics) if accuracy else "",
        "temperature": f"{metrics['temperature']:.3g}" if "temperature" in metrics else "",
        "rows": rows,
        "bins": len(columns.get("images", [])),
        "images": round(sum(value or 0 for value in columns.get("images", []))),
    }
