"""Shows how pretraining went: small charts of plots/pretrain/curve.csv, and a table that says what is healthy.

The file has readings of the features' health only every few epochs; what was never measured is left out.
"""

from collections.abc import Mapping
from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure

from components.features.encoders import OURS, START
from components.report.page.theme import COLOURS, make_figure
from components.report.words import count

Table = Mapping[str, list[float | None]]  # a CSV's columns

CHARTS = {  # column of the file: title and format of the numbers
    "loss": ("loss", "0.0[00]"),
    "knn": ("kNN on held-out train images", "0.0 %"),
    "z_std": ("z-std of the features", "0.0[000]"),
    "rank_me": ("RankMe, effective dimensions", "0[.]0"),
    "projection_spread": ("spread of the projections", "0.0[00]"),
    "feature_spread": ("spread of the features", "0.0[00]"),
    "learning_rate": ("learning rate", "0.0[000]"),
    "tau": ("tau of the target network", "0.00[000]"),
}

SPREAD = "share of what even directions have, 0 when collapsed; pretrain.watch.collapse stops the run"
TERM = "a term of the loss, before its weight"


def draw_charts(table: Table) -> dict[str, figure]:
    """Draw a chart of every column that has at least one number, by the column's name."""
    terms = {name: (spell_term(name), "0.0[00]") for name in table if name.startswith("loss_")}
    wanted = {"loss": CHARTS["loss"]} | terms | CHARTS
    return {
        name: draw_small_chart(table, name, *style)
        for name, style in wanted.items()
        if any(value is not None for value in table.get(name, []))
    }


def spell_term(term: str) -> str:
    """Spell the name of a term of the loss: `loss_centre` as `loss: centre`."""
    return term.replace("_", ": ", 1).replace("_", " ")


def draw_small_chart(table: Table, name: str, title: str, form: str) -> figure:
    """Draw one column against the epoch."""
    points = [(x, y) for x, y in zip(table["epoch"], table[name], strict=True) if y is not None]
    source = ColumnDataSource({"epoch": [x for x, _ in points], "value": [y for _, y in points]})
    span = 0.1 * max((abs(y) for _, y in points), default=1.0) or 1.0  # of an axis on which all numbers are the same
    level = next((value for value in table.get(f"{name}_start", []) if value is not None), None)
    title = title if level is None else f"{title.partition(' ')[0]} (dashed: its start)"  # there is no room for more
    plot = make_figure(title, 190, x_axis_label="epoch", y_range=DataRange1d(default_span=span))
    plot.yaxis.formatter = NumeralTickFormatter(format=form)
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=4)
    plot.line("epoch", "value", source=source, color=COLOURS[OURS], line_width=2)
    sparse = len(points) < len(table["epoch"]) or len(points) == 1
    dots = plot.scatter("epoch", "value", source=source, color=COLOURS[OURS], size=5, alpha=float(sparse))
    tooltips = [("epoch", "@epoch"), (title, f"@value{{{'0.0 %' if name == 'knn' else '0.0000'}}}")]
    if level is not None:
        ends = {"x": [table["epoch"][0], table["epoch"][-1]], "y": [level, level]}
        plot.line("x", "y", source=ColumnDataSource(ends), color=COLOURS[START], line_dash="dashed", line_width=2)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tooltips, mode="vline"))
    return plot


def list_health(pretrain: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the name, the final value and the healthy range of each reading that was measured."""
    rows = {
        "epochs": (f"{pretrain['epochs']:,}", describe_speed(pretrain)),
        "loss": (
            format_three_digits(pretrain["loss"]),
            "comparable within one objective and its weights only; BYOL's lies in 0 to 8",
        ),
        **{name: (format_three_digits(pretrain[name]), TERM) for name in pretrain if name.startswith("loss_")},
        "projection_spread": (format_three_digits(pretrain.get("projection_spread")), SPREAD),
        "feature_spread": (format_three_digits(pretrain.get("feature_spread")), SPREAD),
        "z_std": (format_three_digits(pretrain.get("z_std")), "deviation of the normalised features, 0 when collapsed"),
        "rank_me": (
            format_three_digits(pretrain.get("rank_me")),
            "effective dimensions of the features, 1 when collapsed",
        ),
        "alignment": (format_three_digits(pretrain.get("alignment")), "distance of two views of an image, low is good"),
        "uniformity": (
            format_three_digits(pretrain.get("uniformity")),
            "spread over the sphere, low is good, 0 when collapsed",
        ),
    }
    spelt = {"z_std": "z-std", "rank_me": "RankMe", "loss": "final loss"}
    spelt |= {name: CHARTS[name][0] for name in ("projection_spread", "feature_spread")}
    spelt |= {name: spell_term(name) for name in rows if name.startswith("loss_")}
    return [(spelt.get(name, name), *row) for name, row in rows.items() if pretrain.get(name) is not None]


def describe_speed(pretrain: Mapping[str, Any]) -> str:
    """Describe the duration and the speed of the whole run."""
    return f"{pretrain['seconds']:,.0f} s, {count(round(pretrain['images_per_second']), 'image(s) per second')}"


def format_three_digits(value: float | None) -> str:
    """Format a number with three digits; None becomes an empty text."""
    return "" if value is None else f"{value:.3g}"
