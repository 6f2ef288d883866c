"""Tests what two runs can disagree on besides the scores: images, labels, probes and what the probes measured."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from pipelines.compare.differences import NO_TEST, NOT_PAIRED, ProbeComparison, compare_probes, compare_runs
from pipelines.compare.revisions import Revision
from pipelines.compare.table import show_comparison

FILE = "metrics/knn.json"


def make_table(
    scores: Mapping[str, Sequence[float | None]], ids: list[str], encoder: str = "byol", label: int = 0
) -> pa.Table:
    """Make the predictions of one encoder."""
    rows = len(ids)
    columns: dict[str, Any] = {"id": ids, "encoder": [encoder] * rows}
    columns |= {"actual": pa.array([label] * rows, pa.int64()), "predicted": pa.nulls(rows, pa.int64())}
    return pa.table(columns | {name: pa.array(values, pa.float32()) for name, values in scores.items()})


def make_revision(metrics: dict[str, Any], *predictions: pa.Table) -> Revision:
    """Make a run of one probe."""
    return Revision("", {FILE: metrics}, {FILE: pa.concat_tables(predictions)} if predictions else {})


def list_names(first: int, last: int) -> list[str]:
    """List the names of the images from `first` up to `last`."""
    return [f"{number}.png" for number in range(first, last)]


def get_only(comparisons: list[ProbeComparison]) -> ProbeComparison:
    """Return the comparison of a list that has only one."""
    assert len(comparisons) == 1
    return comparisons[0]


def test_only_the_images_that_both_judged_are_compared_and_the_others_are_counted() -> None:
    a = make_revision(
        {"byol": {"accuracy": 0.6}}, make_table({"accuracy": [0.0] * 40 + [1.0] * 60}, list_names(0, 100))
    )
    b = make_revision({"byol": {"accuracy": 1.0}}, make_table({"accuracy": [1.0] * 80}, list_names(40, 120)))
    comparison = get_only(compare_probes(a, b))
    assert comparison.remarks == ["60 images judged by both, 40 only by A, 20 only by B: B - A is of the first"]
    row = comparison.rows[0]
    assert row.paired is not None
    assert row.paired.difference == 0  # the other run never saw any of the better images
    assert (row.a, row.b) == (0.6, 1.0)


def test_rows_of_another_encoder_are_never_paired_with_ours() -> None:
    metrics = {"byol": {"accuracy": 1.0}, "pixels": {"accuracy": 0.0}}
    ours = make_table({"accuracy": [1.0] * 20}, list_names(0, 20))
    pixels = make_table({"accuracy": [0.0] * 20}, list_names(0, 20), encoder="pixels")
    comparison = get_only(compare_probes(make_revision(metrics, ours, pixels), make_revision(metrics, pixels, ours)))
    assert comparison.encoder == "byol"
    assert comparison.same


def test_a_baseline_is_shown_when_its_numbers_changed() -> None:
    ours = make_table({"accuracy": [1.0]}, ["a"])
    a, b = (make_revision({"byol": {"accuracy": 1.0}, "pixels": {"accuracy": value}}, ours) for value in (0.5, 0.6))
    assert [judged.encoder for judged in compare_probes(a, b)] == ["byol", "pixels"]


def test_what_a_run_added_to_its_start_is_compared_in_pairs_wherever_there_is_a_start() -> None:
    """Run A began at random; B is right on 12 images more than what it began with, of the same 40."""
    ids, scores = list_names(0, 40), {"byol": [1.0] * 32 + [0.0] * 8, "start": [1.0] * 20 + [0.0] * 20}
    tables = {name: make_table({"accuracy": right}, ids, encoder=name) for name, right in scores.items()}
    metrics = {"byol": {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9}, "start": {"accuracy": 0.5}}
    a, b = make_revision({"byol": metrics["byol"]}, tables["byol"]), make_revision(metrics, *tables.values())
    first, second = compare_probes(a, b)
    assert (first.encoder, second.encoder, second.names) == (
        "byol",
        "byol beside its start in B",
        ("start", "byol", "added"),
    )
    row = second.rows[0]
    assert (row.a, row.b, row.verdict) == (0.5, 0.8, "better")
    assert row.paired is not None
    assert row.paired.difference == pytest.approx(0.3)
    console = Console(file=io.StringIO(), width=80)
    show_comparison(console, a, b, [])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "start  byol  added" in text
    assert [judged.encoder for judged in compare_probes(b, b)][1:] == [
        f"byol beside its start in {name}" for name in "AB"
    ]


def test_a_metric_without_scores_gets_no_verdict_beside_one_that_has() -> None:
    metrics = {"byol": {"accuracy": 1.0, "accuracy_low": 0.9, "accuracy_high": 1.0, "c": 1e-5, "empty": 0.5}}
    run = make_revision(metrics, make_table({"accuracy": [1.0] * 20, "empty": [None] * 20}, list_names(0, 20)))
    rows = {row.metric: row for row in get_only(compare_probes(run, run)).rows}
    assert list(rows) == ["accuracy", "c", "empty"]
    assert rows["accuracy"].paired is not None
    assert rows["c"].verdict == rows["empty"].verdict == NO_TEST


def test_an_image_without_a_score_in_one_run_is_left_out_of_both() -> None:
    metrics = {"byol": {"map": 0.5}}
    a = make_revision(metrics, make_table({"map": [None, *[0.25] * 19]}, list_names(0, 20)))
    b = make_revision(metrics, make_table({"map": [*[0.75] * 19, None]}, list_names(0, 20)))
    row = get_only(compare_probes(a, b)).rows[0]
    assert row.paired is not None
    assert (row.paired.images, row.paired.difference) == (18, 0.5)


def test_images_with_another_label_are_told_of() -> None:
    metrics = {"byol": {"accuracy": 1.0}}
    a = make_revision(metrics, make_table({"accuracy": [1.0] * 20}, list_names(0, 20)))
    b = make_revision(metrics, make_table({"accuracy": [1.0] * 20}, list_names(0, 20), label=1))
    assert get_only(compare_probes(a, b)).remarks == ["20 of the images judged by both have another class number in B"]


def test_a_probe_that_was_skipped_says_why_and_one_that_never_ran_says_so() -> None:
    measured = make_revision({"byol": {"accuracy": 1.0}}, make_table({"accuracy": [1.0]}, ["a"]))
    skipped = make_revision({"byol": {"skipped": "no labels"}})
    assert get_only(compare_probes(skipped, measured)).remarks == ["A: skipped: no labels"]
    assert get_only(compare_probes(measured, Revision("", {}, {}))).remarks == ["B: not measured"]
    assert get_only(compare_probes(measured, Revision("", {}, {}))).rows[0].verdict == "only in A"


def test_a_metric_that_only_one_run_has_is_said_to_be_so() -> None:
    a = make_revision({"byol": {"accuracy": 1.0}})
    b = make_revision({"byol": {"accuracy": 1.0, "map": 0.5}}, make_table({"accuracy": [1.0]}, ["a"]))
    comparison = get_only(compare_probes(a, b))
    assert [row.verdict for row in comparison.rows] == [NOT_PAIRED, "only in B"]
    assert comparison.remarks == ["no per-image predictions in A"]


def test_what_a_stage_counts_that_predicts_nothing_is_given_only_where_it_changed() -> None:
    """As the stages index and labels do; there is nothing to pair, and nothing to say where nothing changed."""
    metrics = {"byol": {"images": 5, "suspects": 1, "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}}
    changed = {"byol": metrics["byol"] | {"suspects": 2, "accuracy_low": 0.3}}
    a, b, skipped = make_revision(metrics), make_revision(changed), make_revision({"byol": {"skipped": "no labels"}})
    assert compare_probes(a, a) == compare_runs(a, a) == []
    assert compare_probes(a, b) == []
    assert compare_runs(a, b) == [("knn: byol suspects", 1, 2)]
    assert compare_runs(skipped, Revision("", {}, {})) == []


def test_only_numbers_about_the_run_that_changed_are_given() -> None:
    a = Revision("", {"metrics/data.json": {"images": 5, "by": {"train": 3, "test": 2}, "list": [1]}}, {})
    b = Revision("", {"metrics/data.json": {"images": 6, "by": {"train": 4, "test": 2}, "list": [2], "new": 1}}, {})
    assert compare_runs(a, b) == [("data: images", 5, 6), ("data: by train", 3, 4), ("data: new", None, 1)]
    assert compare_probes(a, b) == []


@pytest.mark.parametrize("columns", [80, 56])
def test_nothing_is_lost_on_a_narrow_terminal(columns: int) -> None:
    scores = [0.0] * 10 + [1.0] * 10
    metrics = {"byol": {"accuracy_10_per_class": 0.5}}
    a = make_revision(metrics, make_table({"accuracy_10_per_class": scores}, list_names(0, 20)))
    b = make_revision(metrics, make_table({"accuracy_10_per_class": [*scores[5:], *[0.0] * 5]}, list_names(0, 20)))
    output = io.StringIO()
    show_comparison(Console(file=output, width=columns), a, b, [])
    text = output.getvalue()
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    words = text.split()
    assert {"0.500", "0.000", "1.000", "accuracy", "class", "noise"} <= set(words)
    assert ("accuracy 10 per class 0.500 0.500" in " ".join(words)) == (columns == 80)
