"""Tests what the gate lets through: a challenger that is better by enough and not by luck, and no faulty one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.compare.paired import Paired
from pipelines.retrain import evidence, gate
from pipelines.retrain.evidence import Evidence, Rivals

PROMOTE: dict[str, Any] = {
    "probe": "vote",
    "metric": "accuracy",
    "champion_within": 0.01,
    "start_within": 0.01,
    "minimal_gain": 0.01,
    "minimal_gain_low": 0.0,
    "floor": 0.5,
    "health": {"min_rank_me": 2.0, "min_z_std": 0.01},
    "data": {"max_rejected_fraction": 0.05, "max_repeated_fraction": 0.2, "max_relabelled_fraction": 0.05},
    "drift": {"hold_below": 0.001},
}
FIRST = Evidence(0.9, {"rank_me": 8.0, "z_std": 0.1}, {"rejected_fraction": 0.0, "repeated_fraction": 0.0})
GAIN = Paired(images=200, difference=0.05, low=0.02, high=0.08, p=0.001)
BETTER = replace(FIRST, champion="v0.1.0", gain=GAIN, data={**FIRST.data, "relabelled_fraction": 0.0})


def list_failed_rules(result: Evidence, promote: Mapping[str, Any] = PROMOTE) -> list[str]:
    """List the rules that the evidence fails."""
    return [reason.rule for reason in gate.decide(result, promote).failed_reasons]


def test_the_first_champion_needs_no_other_to_beat() -> None:
    assert gate.decide(FIRST, PROMOTE).promoted


def test_a_clear_gain_is_promoted_and_every_rule_says_its_value_and_its_limit() -> None:
    decision = gate.decide(BETTER, PROMOTE)
    assert decision.promoted
    assert len(decision.reasons) == 8
    gain = decision.reasons[0].text
    scope = "the gain in vote accuracy over v0.1.0 on 200 test images"
    assert gain == f"{scope} is +0.0500; it must be at least 0.01 (promote.minimal_gain)"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"champion_scores": (0.9442, 0.8153)}, "champion_within"),
        ({"champion_scores": (0.9, float("nan"))}, "champion_within"),
        ({"gain": replace(GAIN, difference=0.009)}, "minimal_gain"),
        ({"gain": replace(GAIN, low=-0.001)}, "minimal_gain_low"),
        ({"gain": None}, "minimal_gain"),
        ({"score": 0.49}, "floor"),
        ({"score": None}, "floor"),
        ({"health": {"rank_me": 1.9, "z_std": 0.1}}, "health.min_rank_me"),
        ({"health": {"rank_me": 8.0, "z_std": 0.009}}, "health.min_z_std"),
        ({"health": {"rank_me": 8.0}}, "health.min_z_std"),
        ({"health": {"rank_me": float("nan"), "z_std": 0.1}}, "health.min_rank_me"),
        ({"data": {"rejected_fraction": 0.06, "repeated_fraction": 0.0}}, "data.max_rejected_fraction"),
        ({"data": {"rejected_fraction": None, "repeated_fraction": 0.0}}, "data.max_rejected_fraction"),
        ({"data": {"rejected_fraction": 0.0, "repeated_fraction": 0.21}}, "data.max_repeated_fraction"),
        ({"data": {**BETTER.data, "relabelled_fraction": 0.06}}, "data.max_relabelled_fraction"),
        ({"drift": {"p_value": 0.0009, "statistic": 0.1, "new": 50, "reference": 900}}, "drift.hold_below"),
    ],
)
def test_one_fault_is_enough_to_be_kept_out(change: dict[str, Any], rule: str) -> None:
    [reason] = gate.decide(replace(BETTER, **change), PROMOTE).failed_reasons
    assert reason.rule == rule
    assert f"(promote.{rule})" in reason.text, "the key that the user would change"


@pytest.mark.parametrize("champion", [None, "v0.1.0"])
def test_a_training_that_lost_what_it_began_with_is_kept_out(champion: str | None) -> None:
    """Also as the first champion, which has nothing else to beat: the start itself would be the better encoder."""
    base = FIRST if champion is None else BETTER
    lost = replace(base, start_score=0.92, added=Paired(200, -0.02, -0.05, 0.01, 0.3))
    [reason] = gate.decide(lost, PROMOTE).failed_reasons
    assert reason.rule == "start_within"
    said = "the challenger's vote accuracy, 0.9000, was 0.9200 before its training; on 200 test images"
    assert reason.text == (
        f"{said} (95 % interval -0.0500 to +0.0100) the difference is -0.0200; it must be at least -0.01 "
        "(promote.start_within)"
    )
    assert gate.decide(lost, {**PROMOTE, "start_within": None}).promoted
    assert gate.decide(lost, {**PROMOTE, "start_within": 0.02}).promoted


def test_a_metric_that_is_not_of_single_images_is_compared_with_the_start_as_it_is() -> None:
    assert list_failed_rules(replace(BETTER, start_score=0.92)) == ["start_within"]
    assert list_failed_rules(replace(BETTER, start_score=0.905)) == []


def test_what_was_added_is_read_from_the_challengers_own_predictions() -> None:
    predictions = pa.concat_tables(
        make_predictions(range(100), range(right)).set_column(0, "encoder", pa.array([name] * 100 + ["pixels"] * 100))
        for name, right in (("start", 60), ("byol", 70))
    )
    metrics = {"vote.json": {"byol": {"accuracy": 0.7}, "start": {"accuracy": 0.6}}}
    alone = evidence.read_evidence(metrics, "vote.json", "accuracy")
    assert alone.start_score == 0.6
    added = evidence.add_start(alone, predictions, "accuracy").added
    assert added is not None
    assert (added.images, added.difference) == (100, pytest.approx(0.1))
    without = evidence.read_evidence({"vote.json": {"byol": {"accuracy": 0.7}}}, "vote.json", "accuracy")
    assert without.start_score is None


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert list_failed_rules(replace(BETTER, score=0.4, gain=replace(GAIN, difference=-0.1, low=-0.2))) == [
        "minimal_gain",
        "minimal_gain_low",
        "floor",
    ]


@pytest.mark.parametrize("p", [0.001, 0.5, None])
def test_new_images_that_look_like_the_old_ones_hold_nothing_up(p: float | None) -> None:
    assert list_failed_rules(replace(BETTER, drift={"p_value": p, "statistic": 0.0, "new": 0, "reference": 900})) == []


def test_drift_holds_nothing_up_where_params_say_never() -> None:
    drifted = replace(BETTER, drift={"p_value": 0.0001, "statistic": 0.1, "new": 50, "reference": 900})
    assert list_failed_rules(drifted, {**PROMOTE, "drift": {"hold_below": None}}) == []


def test_a_champion_that_does_what_it_did_holds_nothing_up() -> None:
    decision = gate.decide(replace(BETTER, champion_scores=(0.9442, 0.9351)), PROMOTE)
    assert decision.promoted
    said = "v0.1.0's vote accuracy, 0.9442 in its commit, is 0.9351 on the same images now; the difference is 0.0091"
    assert f"{said}; it must be at most 0.01 (promote.champion_within)" in [reason.text for reason in decision.reasons]


def make_predictions(ids: range, right: range) -> pa.Table:
    """Make predictions of our encoder, which is right on some images, and of a baseline that is always right."""
    rows = [
        {"encoder": encoder, "id": f"{n}", "actual": 0, "accuracy": float(n in right or encoder != "byol")}
        for encoder in ("byol", "pixels")
        for n in ids
    ]
    return pa.Table.from_pylist(rows)


def test_the_gain_is_told_apart_for_the_images_that_are_new() -> None:
    rivals = Rivals(
        "v0.1.0",
        champion_predictions=make_predictions(range(100), right=range(50)),
        challenger_predictions=make_predictions(range(100), right=range(70)),
        own_predictions=make_predictions(range(60), right=range(50)),
        relabelled_fraction=0.25,
        drift=None,
        champion_scores=None,
    )
    result = evidence.add_gain(FIRST, rivals, "accuracy")
    assert [(gain.images, gain.difference) for gain in (result.gain, result.gain_known, result.gain_new) if gain] == [
        (100, pytest.approx(0.2)),
        (60, pytest.approx(1 / 6)),
        (40, pytest.approx(0.25)),
    ]
    assert result.data["relabelled_fraction"] == 0.25


def test_where_no_image_is_in_both_there_is_nothing_to_have_been_relabelled() -> None:
    same = make_predictions(range(100), right=range(100))
    strangers = Rivals(
        "v0.1.0",
        same,
        same,
        own_predictions=make_predictions(range(200, 300), range(0)),
        relabelled_fraction=None,
        drift=None,
        champion_scores=None,
    )
    result = evidence.add_gain(FIRST, strangers, "accuracy")
    assert "relabelled_fraction" not in result.data
    assert "data.max_relabelled_fraction" not in [reason.rule for reason in gate.decide(result, PROMOTE).reasons]


def test_metrics_files_are_known_by_what_they_say() -> None:
    metrics = {
        "m/a.json": {"images": 5, "rank_me": 3.0, "z_std": 0.2, "epochs": 2},
        "m/b.json": {"images": 80, "rejected": 20, "repeated": 8},
        "m/vote.json": {"byol": {"accuracy": 0.75}},
    }
    result = evidence.read_evidence(metrics, "m/vote.json", "accuracy")
    assert result.score == 0.75
    assert dict(result.health) == {"rank_me": 3.0, "z_std": 0.2}
    assert dict(result.data) == {"rejected_fraction": 0.2, "repeated_fraction": 0.1}


def test_a_probe_that_was_skipped_has_no_score() -> None:
    result = evidence.read_evidence({"vote.json": {"byol": {"skipped": "one class"}}}, "vote.json", "accuracy")
    assert result.score is None
    assert np.isnan(result.health.get("z_std", np.nan))
