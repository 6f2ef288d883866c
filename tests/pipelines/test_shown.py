"""Names and values of a run are shown on terminals and in Prefect's pages, and do nothing there."""

import html
import io
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from components.report.markdown import write_inert as write_for_the_card
from pipelines.compare.differences import NOT_PAIRED, ProbeComparison, Row
from pipelines.compare.table import show_params, show_probe
from pipelines.flows.pages import draw_table
from pipelines.shown import show, write_inert
from pipelines.train.summary import build_metrics_table
from pipelines.train.trees import Change

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "a|b",
    "`a`",
    "*a* _b_",
    "\x1b[2J",
    "[bold]a[/bold]",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_a_name_and_does_nothing(name: str) -> None:
    for text in (write_inert(name), write_for_the_card(name)):
        rendered = MarkdownIt("commonmark").enable("table").render(draw_table(["", "A"], [[text, "1"]]))
        assert not re.findall(r"<(?!/?(?:table|thead|tbody|tr|th|td)\b)", rendered), rendered
        assert name.replace("\x1b", "\\x1b") in html.unescape(rendered)


def test_a_terminal_gets_names_and_values_as_they_are_and_short() -> None:
    out = io.StringIO()
    console = Console(file=out, width=400, force_terminal=True, color_system=None, highlight=False)
    show_params(console, [Change("pretrain.\x1b[2Jx", "[bold]a[/bold]\n", "x" * 10**5)])
    for name in HOSTILE:
        show_probe(console, ProbeComparison(name, name, [Row(name, 0.1, 0.2, None, NOT_PAIRED)], [f"A: {name}"]))
    console.print(build_metrics_table({name: {name: {name: 0.5}} for name in HOSTILE}))
    text = re.sub("\x1b\\[[0-9;]*m", "", out.getvalue())  # the colours of tables are the project's own
    assert "\x1b" not in text
    assert "pretrain.\\x1b[2Jx: [bold]a[/bold]\\n -> xxx" in text
    assert "(100,000 characters)" in text
    assert text.count("[bold]a[/bold]") >= 6


def test_an_honest_name_stays() -> None:
    assert write_inert("pretrain.head_2 (C_4)") == show("pretrain.head_2 (C_4)") == "pretrain.head_2 (C_4)"
