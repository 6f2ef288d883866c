"""The classifier as one layer is held against the logistic probe, whose regression it is."""

import numpy as np
import torch

from components.evaluate.params import Evaluate
from components.features.judging.classifier import fit_classifier
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import hold_out_rows
from components.probes.logistic import LogisticProbe
from components.stage.command import read_params
from tests.conftest import ROOT

EVALUATE: Evaluate = read_params(ROOT / "params.yaml").evaluate


def test_one_layer_on_raw_features_says_what_the_logistic_probe_says() -> None:
    """The features are far from 0, on scales that differ by orders of magnitude, and one of them is constant."""
    drawn = np.random.default_rng(0)
    labels = np.arange(240) % 4
    features = drawn.normal(size=(240, 10)) + np.eye(10)[labels] * 1.5
    features = (features * np.geomspace(1e-3, 1e3, 10) + 1000).astype(np.float32)
    features[:, 5] = 3
    part = LabelledFeatures(features[:160], labels[:160], features[160:], labels[160:], np.arange(80).astype(str))
    few = {"c_count": 9}
    logistic, sweep = (params.model_copy(update=few) for params in (EVALUATE.logistic, EVALUATE.robustness.classifier))
    shared, cpu = EVALUATE.shared, torch.device("cpu")
    held = hold_out_rows(part.labels, shared.validation_fraction, np.random.default_rng(shared.seed))
    layer = fit_classifier(part, sweep, held, cpu)
    expected = LogisticProbe(part, logistic, shared.seed, cpu).from_all(held)
    predicted = layer(torch.from_numpy(part.test)).argmax(1).numpy()
    np.testing.assert_array_equal(predicted, expected.predictions["accuracy"])
    assert layer.c == expected.chosen["c"]
    assert len(np.unique(predicted)) == 4
