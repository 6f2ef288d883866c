"""Table and figure of benchmarks.article agree with values worked out by hand, and docs/article.md shows them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import article_table
from tests.conftest import ROOT


def make_run(value: float, **more: Any) -> dict[str, Any]:
    """Make one seed's numbers: all accuracies are the same, with intervals of 0.1 to either side."""
    ends = {"": value, "_low": value - 0.1, "_high": value + 0.1}
    probes: dict[str, Any] = {
        probe: {f"{metric}{end}": number for end, number in ends.items()}
        for probe, metric in article_table.ACCURACIES.values()
    }
    return probes | {"health": {"z_std": value / 10, "rank_me": 10 * value}} | more


RECORD = {
    "runs": {
        "trained <by>": {
            "0": make_run(0.55, stopped=None),
            "1": make_run(0.75, stopped="collapse"),
            "2": make_run(0.65, stopped=None),
        },
        "pixels": {"0": make_run(0.8), "1": make_run(0.8), "2": make_run(0.8)},
    }
}


def test_a_row_has_mean_spread_interval_health_and_what_was_stopped() -> None:
    lines = article_table.make_table(RECORD).splitlines()
    accuracy = "65.0 ± 10.0 (55.0–75.0)"
    assert lines[2] == f"| trained <by> | {accuracy} | {accuracy} | {accuracy} | 0.0650 | 6.5 | 1 of 3 |"
    assert lines[3].endswith("| 0.0800 | 8.0 |  |")
    assert len({line.count("|") for line in lines}) == 1


def test_one_seed_has_no_spread() -> None:
    assert (
        article_table.format_score(article_table.score_runs({"0": make_run(0.5)}, "knn", "accuracy"))
        == "50.0 (40.0–60.0)"
    )


def test_the_figure_is_sound_and_puts_its_dots_where_the_numbers_are() -> None:
    figure = ElementTree.fromstring(article_table.draw_figure(RECORD))
    dots = [float(dot.get("cx", "")) for dot in figure.iter("{http://www.w3.org/2000/svg}circle")]
    panel = article_table.PANEL
    assert len(dots) == 2 * len(article_table.ACCURACIES)
    # The tens below the lowest end, 0.55, are at the left of the panel and 1 is at its right.
    at = [article_table.LEFT + share * panel for share in ((0.65 - 0.5) / 0.5, (0.8 - 0.5) / 0.5)]
    assert dots[:2] == pytest.approx(at, abs=0.1)
    assert "trained <by>" in {words.text for words in figure.iter("{http://www.w3.org/2000/svg}text")}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "results").glob("article-*.json")), ids=lambda path: path.stem
)
def test_the_page_shows_table_and_figure_of_the_record(path: Path) -> None:
    record, docs = json.loads(path.read_text()), ROOT / "docs"
    table = article_table.make_table(record)
    assert path.with_suffix(".md").read_text() == table
    assert table in (docs / "article.md").read_text()
    assert (docs / path.with_suffix(".svg").name).read_text() == article_table.draw_figure(record)
