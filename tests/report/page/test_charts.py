"""The report's charts show the numbers that they were given."""

from typing import Any

import pytest
from bokeh.models import Whisker

from components.report.page import charts, theme, training
from components.report.page.measured import read_columns
from tests.report.page import pages


def draw_few_labels(*names: str) -> Any:
    metrics: dict[str, dict[str, float]] = {"byol": {}, "pixels": {}}
    for place, name in enumerate(names):
        metrics["byol"] |= pages.make_estimate(name, 0.5 + place / 10)
        metrics["pixels"] |= pages.make_estimate(name, 0.2)
    return charts.draw_few_labels("knn", metrics, charts.list_label_places(metrics))


def test_the_few_label_chart_has_counts_then_shares_then_all() -> None:
    names = ("accuracy", "accuracy_10_per_class", "accuracy_2_per_class", "accuracy_10_percent", "accuracy_0.5_percent")
    plot = draw_few_labels(*names, "accuracy_k200")
    groups = ["labels per class"] * 2 + ["share of the labels"] * 3
    assert plot.x_range.factors == list(zip(groups, ["2", "10", "0.5 %", "10 %", "all"], strict=True))
    drawn = {tuple(line.data_source.data["value"]) for line in plot.renderers}
    assert drawn == {(0.7, 0.6), (0.9, 0.8, 0.5), (0.2, 0.2), (0.2, 0.2, 0.2)}


def test_a_probe_that_knows_shares_only_has_its_chart() -> None:
    assert draw_few_labels("accuracy", "accuracy_1_percent").x_range.factors[0] == ("share of the labels", "1 %")


def test_a_probe_without_few_labels_has_none() -> None:
    assert charts.list_label_places({"byol": {"accuracy": 0.9, "accuracy_standard_error": 0.1}}) == {}


def test_the_bars_are_drawn_whole() -> None:
    plot = draw_few_labels("accuracy", "accuracy_2_per_class")
    bars = [bar.source.data for bar in plot.center if isinstance(bar, Whisker)]
    assert len(bars) == 4, "an encoder and group each"
    assert plot.y_range.start < min(low for bar in bars for low in bar["low"])
    assert plot.y_range.end > max(high for bar in bars for high in bar["high"])


def test_readings_of_every_tenth_epoch_are_joined_and_what_never_was_read_is_left_out(tmp_path: Any) -> None:
    (tmp_path / "curve.csv").write_text("epoch,loss,z_std,knn\n1,3,,\n2,2,0.5,\n3,1,,\n4,0,0.7,\n")
    drawn = training.draw_charts(read_columns(tmp_path / "curve.csv", "pretrain"))
    assert list(drawn) == ["loss", "z_std"]
    assert drawn["z_std"].renderers[0].data_source.data == {"epoch": [2, 4], "value": [0.5, 0.7]}


def test_a_chart_is_the_same_bytes_each_time_and_its_models_are_still_told_apart() -> None:
    chart, again = (
        theme.serialise_charts({"few": draw_few_labels("accuracy", "accuracy_1_percent")}) for _ in range(2)
    )
    assert chart == again
    assert chart[0]["root_id"] == chart[0]["doc"]["roots"][0]["id"]


def test_a_text_that_looks_like_a_model_is_left_alone() -> None:
    item = {"root_id": "p7", "doc": {"roots": [{"id": "p7", "names": ["p7", {"id": "p9"}, {"id": "p7"}]}]}}
    assert theme.renumber(item)["doc"]["roots"] == [{"id": "m1", "names": ["p7", {"id": "m2"}, {"id": "m1"}]}]


@pytest.mark.parametrize("encoder", ["byol", "someone else's"])
def test_an_encoder_has_one_colour(encoder: str) -> None:
    assert theme.choose_colour(encoder) == theme.choose_colour(encoder) != theme.choose_colour("pixels")
