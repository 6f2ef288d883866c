"""Classifying probes: known answers by each of them, and the curve over few labels, as it is drawn and reported."""

import numpy as np
import pytest
from scipy import stats

from components.evaluate.classify import classify, count_fits
from components.evaluate.few_labels import plan_few_labels
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate
from components.evaluate.probe import Answers
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import Estimate
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage import command as stage
from tests.conftest import ROOT
from tests.probes.parts import CPU, make_part

PARAMS: Evaluate = stage.read_params(ROOT / "params.yaml").evaluate
SHARED = PARAMS.shared.model_copy(update={"labels_per_class": (2, 20), "label_fractions": (0.1,), "draws": 10})
HASTY = PARAMS.linear.model_copy(update={"learning_rates": (0.03, 0.3), "weight_decays": (0.0,), "epochs": 10})
PROBES = {"knn": (KnnProbe, PARAMS.knn), "linear": (LinearProbe, HASTY), "logistic": (LogisticProbe, PARAMS.logistic)}


def draw_gaussians(apart: float, *, turned: bool = False, train: int = 400, test: int = 600) -> LabelledFeatures:
    """Draw two classes around -+apart / 2 on one of 8 axes, deviation 1: the best rule errs with Phi(-apart / 2)."""
    generator = np.random.default_rng(0)
    labels = np.arange(train + test) % 2
    points = generator.normal(size=(train + test, 8))
    points[:, 0] += apart * (labels - 0.5)
    if turned:
        points = points @ np.linalg.qr(generator.normal(size=(8, 8)))[0]
    points = points.astype(np.float32)
    return make_part(points[:train], labels[:train], points[train:], labels[train:])


def judge_part(probe: str, part: LabelledFeatures) -> Outcome:
    make_probe, params = PROBES[probe]
    few = plan_few_labels(part.labels, SHARED, str)
    return classify(make_probe(part, params, 0, CPU), part, few, SHARED, lambda units: None)


def read_accuracy(outcome: Outcome, name: str = "accuracy") -> Estimate:
    estimate = outcome.metrics[name]
    assert isinstance(estimate, Estimate)
    return estimate


@pytest.mark.parametrize("probe", PROBES)
def test_gaussians_are_told_as_well_as_can_be(probe: str) -> None:
    best = stats.norm.cdf(1.0)  # of classes two deviations apart: 84 %
    estimate = read_accuracy(judge_part(probe, draw_gaussians(2.0)))
    assert estimate.low < best < estimate.high + 0.02  # what is estimated from 400 images stays a little below
    assert read_accuracy(judge_part(probe, draw_gaussians(12.0))).value == 1


@pytest.mark.parametrize("probe", PROBES)
def test_noise_is_chance_from_any_number_of_labels(probe: str) -> None:
    outcome = judge_part(probe, draw_gaussians(0.0, train=600))
    for name in ("accuracy", "accuracy_2_per_class", "accuracy_20_per_class", "accuracy_10_percent"):
        estimate = read_accuracy(outcome, name)
        assert abs(estimate.value - 0.5) < estimate.high - estimate.low, (
            name
        )  # four standard errors, since twelve are looked at


@pytest.mark.parametrize("probe", ["knn"])
def test_a_rotation_changes_no_neighbour(probe: str) -> None:
    straight, turned = (judge_part(probe, draw_gaussians(2.0, turned=turn)) for turn in (False, True))
    for name in straight.scores:
        assert np.mean(straight.scores[name] != turned.scores[name]) < 0.01


def test_a_rotation_changes_the_logistic_accuracy_by_less_than_its_interval() -> None:
    straight, turned = (
        read_accuracy(judge_part("logistic", draw_gaussians(2.0, turned=turn))) for turn in (False, True)
    )
    assert straight.low < turned.value < straight.high


class RecordingProbe:
    """A probe that records its calls and answers 0."""

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
    labels = np.repeat([0, 1, 2], [100, 30, 22])
    part = make_part(np.zeros((152, 2)), labels, np.zeros((6, 2)), np.array([0, 1, 0, 1, 0, 1]))
    probes = [RecordingProbe(6), RecordingProbe(6)]
    advanced: list[int] = []
    few = plan_few_labels(labels, SHARED, str)
    outcomes = [classify(probe, part, few, SHARED, advanced.append) for probe in probes]
    assert sum(advanced) == 2 * count_fits(few, SHARED) == 2 * 31
    for first, second in zip(probes[0].draws, probes[1].draws, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(probes[0].validation, probes[1].validation)
    counts = [[np.bincount(labels[rows]).tolist() for rows in draws] for draws in probes[0].draws]
    assert counts == [[[2, 2, 2]] * 10, [[20, 20, 20]] * 10, [[10, 3, 2]] * 10]
    outcome = outcomes[0]
    assert outcome.metrics["knob"] == 3.0
    assert read_accuracy(outcome, "accuracy_2_per_class").value == 1
    assert read_accuracy(outcome).value == 0.5
    np.testing.assert_allclose(outcome.curves["few_labels"].x, [2, 20, 5])


def test_each_metric_is_the_mean_of_its_scores() -> None:
    """The scores that two runs are compared by must agree with the metrics."""
    outcome = judge_part("logistic", draw_gaussians(2.0))
    assert set(outcome.scores) == {name for name, estimate in outcome.metrics.items() if isinstance(estimate, Estimate)}
    for name, scores in outcome.scores.items():
        assert scores.shape == outcome.ids.shape
        assert np.mean(scores) == pytest.approx(read_accuracy(outcome, name).value)


@pytest.mark.parametrize("probe", ["linear", "logistic"])
def test_a_class_that_only_the_test_images_have_changes_no_answer(probe: str) -> None:
    part = draw_gaussians(2.0, train=60, test=80)
    strange = LabelledFeatures(part.train, part.labels, part.test, np.where(part.truth == 1, 999, 0), part.ids)
    plain, changed = (judge_part(probe, case) for case in (part, strange))
    assert plain.predicted is not None
    np.testing.assert_array_equal(plain.predicted, changed.predicted)


@pytest.mark.parametrize("probe", ["linear", "logistic"])
def test_few_held_out_images_do_not_choose_the_end_of_the_scale(probe: str) -> None:
    """Of four labels one is held out: every setting gets it right, and the surest setting is chosen."""
    outcome = judge_part(probe, draw_gaussians(6.0, train=4, test=600))
    chosen = outcome.metrics
    assert read_accuracy(outcome).value > read_accuracy(outcome, "accuracy_2_per_class").value - 0.02
    assert chosen.get("c", 1.0) > 0.01
    assert chosen.get("learning_rate", 0.3) > 0.03


@pytest.mark.parametrize("probe", PROBES)
def test_what_few_labels_cannot_show_is_neither_fitted_nor_reported(probe: str) -> None:
    outcome = judge_part(probe, draw_gaussians(2.0, train=8))
    few = [name for name in outcome.metrics if name.startswith("accuracy_") and not name.startswith("accuracy_k")]
    assert few == ["accuracy_2_per_class"]
    assert set(outcome.scores) == {"accuracy", "accuracy_2_per_class"}
    assert outcome.curves["few_labels"].x.tolist() == [2]
    assert judge_part(probe, draw_gaussians(2.0, train=2)).curves == {}, "there is nothing to draw"
    assert outcome.left_out.keys() - {"accuracy_k200"} == {"accuracy_20_per_class", "accuracy_10_percent"}
