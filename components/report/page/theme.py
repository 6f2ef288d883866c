"""How charts look and how they get into the page: as JSON that Bokeh's own script draws, the same bytes every time.

Bokeh gives its models running numbers as ids (https://docs.bokeh.org/en/latest/docs/reference/util/serialization.html),
which differ between runs in one process; they are replaced by numbers counted in each chart.
"""

from collections.abc import Mapping
from typing import Any

from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.model import Model
from bokeh.plotting import figure
from bokeh.themes import Theme

from components.features.encoders import OURS, PIXELS, UNTRAINED

COLOURS = {OURS: "#2f7bf6", PIXELS: "#d07c12", UNTRAINED: "#7f8b99"}
OTHER_COLOUR = "#a05fd0"
INK = "#85898f"  # in contrast with white and with black; page.js puts the page's own ink in its place
PALETTE = (
    "#3b82f6", "#dd7a0c", "#1f9d45", "#e5484d", "#9b5de5", "#0c9a95", "#e64aa8", "#9c5f38", "#8f8206", "#76828f",
)  # fmt: skip
MARKERS = {"circle": "●", "square": "■", "triangle": "▲", "diamond": "◆", "inverted_triangle": "▼"}

AXIS_TEXT = {"text_color": INK, "text_font_size": "12px"}
THEME = Theme(
    json={
        "attrs": {
            "Plot": {"background_fill_color": None, "border_fill_color": None, "outline_line_color": None},
            "Title": {"text_color": INK, "text_font_size": "14px"},
            "Grid": {"grid_line_color": INK, "grid_line_alpha": 0.25},
            "Axis": {
                **{f"{part}_line_color": INK for part in ("axis", "major_tick")},
                "minor_tick_line_color": None,
                **{f"{part}_label_{key}": value for part in ("axis", "major") for key, value in AXIS_TEXT.items()},
            },
            "CategoricalAxis": {
                **{f"group_{key}": value for key, value in AXIS_TEXT.items()},
                "separator_line_color": INK,
                "separator_line_alpha": 0.5,
            },
            "Legend": {
                "background_fill_alpha": 0,
                "border_line_alpha": 0,
                "padding": 0,
                "margin": 0,
                **{f"label_{key}": value for key, value in AXIS_TEXT.items()},
            },
        }
    }
)


def blank(title: str, height: int, **options: Any) -> figure:
    """An empty figure, as wide as its place in the page."""
    settled = {"sizing_mode": "stretch_width", "toolbar_location": None, "tools": ""} | options
    return figure(title=title, height=height, min_border_right=12, **settled)


def colour_of(encoder: str) -> str:
    """The same in every chart."""
    return COLOURS.get(encoder, OTHER_COLOUR)


def legend_above(plot: figure) -> None:
    """Where it hides nothing."""
    plot.legend.orientation = "horizontal"
    plot.legend.location = "top_left"
    plot.add_layout(plot.legend[0], "above")


def items(charts: Mapping[str, Model]) -> list[dict[str, Any]]:
    """What `Bokeh.embed.embed_item` takes, each for the element that has the chart's name as its id."""
    return [renumber(dict(json_item(chart, ID(name), theme=THEME))) for name, chart in charts.items()]


def renumber(item: dict[str, Any]) -> dict[str, Any]:
    """The same chart with its models called m1, m2 ... in the order in which they stand there."""
    known: dict[str, str] = {}

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: known.setdefault(value, f"m{len(known) + 1}") if key == "id" else walk(value)
                for key, value in part.items()
            }
        return [walk(one) for one in part] if isinstance(part, list | tuple) else part

    doc = walk(item["doc"])
    return item | {"doc": doc, "root_id": known[item["root_id"]]}
