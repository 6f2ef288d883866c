"""How pretraining went: small charts of plots/pretrain/curve.csv, and what is healthy.

Readings of the features' health stand in the file every few epochs only; what was never measured is left out.
"""

from collections.abc import Mapping
from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure

from components.features.encoders import OURS
from components.report.page.theme import COLOURS, blank

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
TERM = "a term of it, before its weight"


def charts(table: Table) -> dict[str, figure]:
    """Column -> its chart, of those with at least one number."""
    terms = {name: (spell(name), "0.0[00]") for name in table if name.startswith("loss_")}
    wanted = {"loss": CHARTS["loss"]} | terms | CHARTS
    return {
        name: small(table, name, *how)
        for name, how in wanted.items()
        if any(value is not None for value in table.get(name, []))
    }


def spell(term: str) -> str:
    """`loss_centre` as `loss: centre`."""
    return term.replace("_", ": ", 1).replace("_", " ")


def small(table: Table, name: str, title: str, form: str) -> figure:
    """One column by epoch."""
    points = [(x, y) for x, y in zip(table["epoch"], table[name], strict=True) if y is not None]
    source = ColumnDataSource({"epoch": [x for x, _ in points], "value": [y for _, y in points]})
    plot = blank(title, 190, x_axis_label="epoch")
    plot.yaxis.formatter = NumeralTickFormatter(format=form)
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=4)
    plot.line("epoch", "value", source=source, color=COLOURS[OURS], line_width=2)
    sparse = len(points) < len(table["epoch"]) or len(points) == 1
    dots = plot.scatter("epoch", "value", source=source, color=COLOURS[OURS], size=5, alpha=float(sparse))
    tooltips = [("epoch", "@epoch"), (title, f"@value{{{'0.0 %' if name == 'knn' else '0.0000'}}}")]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tooltips, mode="vline"))
    return plot


def health(pretrain: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value at the end, and what is healthy; only what was measured."""
    rows = {
        "epochs": (f"{pretrain['epochs']:,}", speed(pretrain)),
        "loss": (
            three(pretrain["loss"]),
            "comparable within one objective and its weights only; BYOL's lies in 0 to 8",
        ),
        **{name: (three(pretrain[name]), TERM) for name in pretrain if name.startswith("loss_")},
        "projection_spread": (three(pretrain.get("projection_spread")), SPREAD),
        "feature_spread": (three(pretrain.get("feature_spread")), SPREAD),
        "z_std": (three(pretrain.get("z_std")), "deviation of the normalised features, 0 when collapsed"),
        "rank_me": (three(pretrain.get("rank_me")), "effective dimensions of the features, 1 when collapsed"),
        "alignment": (three(pretrain.get("alignment")), "distance of two views of an image, low is good"),
        "uniformity": (three(pretrain.get("uniformity")), "spread over the sphere, low is good, 0 when collapsed"),
    }
    spelt = {"z_std": "z-std", "rank_me": "RankMe", "loss": "final loss"}
    spelt |= {name: CHARTS[name][0] for name in ("projection_spread", "feature_spread")}
    spelt |= {name: spell(name) for name in rows if name.startswith("loss_")}
    return [(spelt.get(name, name), *row) for name, row in rows.items() if pretrain.get(name) is not None]


def speed(pretrain: Mapping[str, Any]) -> str:
    """Of the whole run."""
    return f"{pretrain['seconds']:,.0f} s, {pretrain['images_per_second']:,.0f} images a second"


def three(value: float | None) -> str:
    """Three digits."""
    return "" if value is None else f"{value:.3g}"
