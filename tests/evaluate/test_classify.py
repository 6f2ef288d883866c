"""The curve over few labels: what is drawn, what is reported, and known answers by every classifying probe."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from components.evaluate.classify import classify, count_draws, few_labels
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate
from components.evaluate.probe import Answers, Labelled
from components.evaluate.statistics import Estimate
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage import command as stage
from tests.conftest import ROOT
from tests.probes.parts import CPU, part

PARAMS: Evaluate = stage.read_params(ROOT / "params.yaml").evaluate
SHARED = PARAMS.shared.model_copy(update={"labels_per_class": (2, 20), "label_fractions": (0.1,), "draws": 10})
HASTY = PARAMS.linear.model_copy(update={"learning_rates": (0.03, 0.3), "weight_decays": (0.0,), "epochs": 10})
PROBES = {"knn": (KnnProbe, PARAMS.knn), "linear": (LinearProbe, HASTY), "logistic": (LogisticProbe, PARAMS.logistic)}


def gaussians(apart: float, *, turned: bool = False, train: int = 400, test: int = 600) -> Labelled:
    """Two classes around -+apart / 2 along one axis of eight, deviation 1: the best rule errs with Phi(-apart / 2)."""
    generator = np.random.default_rng(0)
    labels = np.arange(train + test) % 2
    points = generator.normal(size=(train + test, 8))
    points[:, 0] += apart * (labels - 0.5)
    if turned:
        points = points @ np.linalg.qr(generator.normal(size=(8, 8)))[0]
    points = points.astype(np.float32)
    return part(points[:train], labels[:train], points[train:], labels[train:])


def judge(probe: str, asked: Labelled) -> Outcome:
    made, params = PROBES[probe]
    return classify(made(asked, params, 0, CPU), asked, SHARED, lambda units: None)


def accuracy(outcome: Outcome, name: str = "accuracy") -> Estimate:
    found = outcome.metrics[name]
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("probe", PROBES)
def test_gaussians_are_told_as_well_as_can_be(probe: str) -> None:
    best = stats.norm.cdf(1.0)  # of classes two deviations apart: 84 %
    found = accuracy(judge(probe, gaussians(2.0)))
    assert found.low < best < found.high + 0.02  # what is estimated from 400 images stays a little below
    assert accuracy(judge(probe, gaussians(12.0))).value == 1


@pytest.mark.parametrize("probe", PROBES)
def test_noise_is_chance_from_any_number_of_labels(probe: str) -> None:
    outcome = judge(probe, gaussians(0.0))
    for name in ("accuracy", "accuracy_2_per_class", "accuracy_20_per_class", "accuracy_10_percent"):
        found = accuracy(outcome, name)
        assert abs(found.value - 0.5) < found.high - found.low, name  # four standard errors, since twelve are looked at


@pytest.mark.parametrize("probe", ["knn"])
def test_a_rotation_changes_no_neighbour(probe: str) -> None:
    straight, turned = (judge(probe, gaussians(2.0, turned=turn)) for turn in (False, True))
    for name in straight.scores:
        assert np.mean(straight.scores[name] != turned.scores[name]) < 0.01


def test_a_rotation_changes_the_logistic_accuracy_by_less_than_its_interval() -> None:
    straight, turned = (accuracy(judge("logistic", gaussians(2.0, turned=turn))) for turn in (False, True))
    assert straight.low < turned.value < straight.high


class Recorded:
    """A probe that remembers what it was asked and answers 0."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.validation = np.empty(0)
        self.draws: list[np.ndarray] = []

    def from_all(self, validation: np.ndarray) -> Answers:  # noqa: D102
        self.validation = validation
        return Answers({"accuracy": np.zeros(self.images, int)}, {"knob": 3.0})

    def from_draws(self, draws: np.ndarray) -> np.ndarray:  # noqa: D102
        self.draws.append(draws)
        return np.tile(np.arange(self.images) % 2, (len(draws), 1))


def test_every_encoder_gets_the_same_draws_and_each_class_its_share() -> None:
    labels = np.repeat([0, 1, 2], [100, 30, 3])
    asked = part(np.zeros((133, 2)), labels, np.zeros((6, 2)), np.array([0, 1, 0, 1, 0, 1]))
    probes = [Recorded(6), Recorded(6)]
    told: list[int] = []
    outcomes = [classify(probe, asked, SHARED, told.append) for probe in probes]
    assert sum(told) == 2 * count_draws(SHARED)
    for first, second in zip(probes[0].draws, probes[1].draws, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(probes[0].validation, probes[1].validation)
    counts = [[np.bincount(labels[rows]).tolist() for rows in draws] for draws in probes[0].draws]
    assert counts == [[[2, 2, 2]] * 10, [[20, 20, 3]] * 10, [[10, 3, 1]] * 10]
    few = outcomes[0]
    assert few.metrics["knob"] == 3.0
    assert accuracy(few, "accuracy_2_per_class").value == 1
    assert accuracy(few).value == 0.5
    np.testing.assert_allclose(few.curves["few_labels"].x, [2, 43 / 3, 14 / 3])


def test_each_metric_is_the_mean_of_its_scores() -> None:
    """What two runs are compared by in pairs must be what the metrics say."""
    outcome = judge("logistic", gaussians(2.0))
    assert set(outcome.scores) == {name for name, found in outcome.metrics.items() if isinstance(found, Estimate)}
    for name, scores in outcome.scores.items():
        assert scores.shape == outcome.ids.shape
        assert np.mean(scores) == pytest.approx(accuracy(outcome, name).value)


@pytest.mark.parametrize(
    ("share", "name"), [(0.01, "accuracy_1_percent"), (0.1, "accuracy_10_percent"), (0.005, "accuracy_0.5_percent")]
)
def test_a_share_of_the_labels_is_called_by_its_percentage(share: float, name: str) -> None:
    shared: Any = SHARED.model_copy(update={"labels_per_class": (1,), "label_fractions": (share,)})
    wanted = few_labels(np.repeat([0, 1], [1000, 10]), shared)
    assert list(wanted) == ["accuracy_1_per_class", name]
    assert wanted[name] == {0: round(1000 * share), 1: 1}


@pytest.mark.parametrize("probe", ["linear", "logistic"])
def test_a_class_that_only_the_test_images_have_changes_no_answer(probe: str) -> None:
    asked = gaussians(2.0, train=60, test=80)
    strange = Labelled(asked.train, asked.labels, asked.test, np.where(asked.truth == 1, 999, 0), asked.ids)
    plain, other = (judge(probe, one) for one in (asked, strange))
    assert plain.predicted is not None
    np.testing.assert_array_equal(plain.predicted, other.predicted)


@pytest.mark.parametrize("probe", ["linear", "logistic"])
def test_few_held_out_images_do_not_choose_the_end_of_the_scale(probe: str) -> None:
    """Four labels in all, one of them held out: every setting gets it right, and the surest of them is the one."""
    outcome = judge(probe, gaussians(6.0, train=4, test=600))
    chosen = outcome.metrics
    assert accuracy(outcome).value > accuracy(outcome, "accuracy_2_per_class").value - 0.02
    assert chosen.get("c", 1.0) > 0.01
    assert chosen.get("learning_rate", 0.3) > 0.03
