"""Defines how charts look, and serialises them as JSON that Bokeh's own script draws, with the same bytes every time.

Bokeh gives its models running numbers as ids (https://docs.bokeh.org/en/latest/docs/reference/util/serialization.html),
which differ between runs in one process; they are replaced by numbers counted per chart.
"""

import re
from collections.abc import Mapping
from typing import Any

from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.model import Model
from bokeh.plotting import figure
from bokeh.themes import Theme

from components.features.encoders import OURS, PIXELS, START, UNTRAINED

COLOURS = {OURS: "#2f7bf6", START: "#1f9d45", PIXELS: "#d07c12", UNTRAINED: "#7f8b99"}
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


def make_figure(title: str, height: int, **options: Any) -> figure:
    """Make an empty figure that is as wide as its place in the page."""
    settings = {"sizing_mode": "stretch_width", "toolbar_location": None, "tools": ""} | options
    return figure(title=title, height=height, min_border_right=12, **settings)


def choose_colour(encoder: str) -> str:
    """Return the colour of an encoder, which is the same in every chart."""
    return COLOURS.get(encoder, OTHER_COLOUR)


def put_legend_above(plot: figure) -> None:
    """Put the legend above the plot, where it hides nothing."""
    plot.legend.orientation = "horizontal"
    plot.legend.location = "top_left"
    plot.add_layout(plot.legend[0], "above")


def escape_tex(text: str) -> str:
    """Keep Bokeh from taking `$$`, `\\(` and `\\[` in a label for TeX, for which it would load MathJax from a CDN.

    An invisible character (U+2060, word joiner) parts these delimiters; the label looks as it was written.
    https://docs.bokeh.org/en/latest/docs/user_guide/styling/mathtext.html
    """
    return re.sub(r"\$(?=\$)|\\(?=[()\[\]])", "\\g<0>\u2060", text)


def serialise_charts(charts: Mapping[str, Model]) -> list[dict[str, Any]]:
    """Return what `Bokeh.embed.embed_item` takes, each for the element that has the chart's name as its id."""
    return [renumber(dict(json_item(chart, ID(name), theme=THEME))) for name, chart in charts.items()]


def renumber(item: dict[str, Any]) -> dict[str, Any]:
    """Return the same chart with its models called m1, m2 ... in their order in it."""
    known: dict[str, str] = {}

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: known.setdefault(value, f"m{len(known) + 1}") if key == "id" else walk(value)
                for key, value in part.items()
            }
        if isinstance(part, str):
            return escape_tex(part)
        return [walk(member) for member in part] if isinstance(part, list | tuple) else part

    doc = walk(item["doc"])
    return item | {"doc": doc, "root_id": known[item["root_id"]]}
