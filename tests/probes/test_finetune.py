"""Fine-tuning is checked on separable toy images, on labels that say nothing, and against a plain loop in NumPy."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from components.encoder.params import Images
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Finetune, Shared
from components.evaluate.portions import count_steps, draw_portions
from components.evaluate.supervised import SupervisedStep
from components.learning.params import View
from components.probes.finetune import Pictures, Tuner, finetune, scale_plain
from components.stage.command import read_params
from tests.conftest import EVERYTHING_OFF, ROOT

SIDE, CLASSES = 8, 3
EVALUATE: Evaluate = read_params(ROOT / "params.yaml").evaluate
SHARED: Shared = EVALUATE.shared
PARAMS: Finetune = EVALUATE.finetune.model_copy(
    update={"fractions": (0.02, 0.3, 1.0), "learning_rates": (1e4, 0.1), "epochs": 3, "min_steps": 100}
)


def make_encoder(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


def make_pictures(*, shuffled: bool = False, images: int = 120, **view: Any) -> Pictures:
    """Make images with horizontal stripes, vertical stripes and none, a third of the images each."""
    generator = np.random.default_rng(0)
    labels = np.arange(2 * images) % CLASSES
    stripes = np.zeros((CLASSES, SIDE, SIDE))
    stripes[0, ::2], stripes[1, :, ::2] = 1, 1
    pixels = 60 + 100 * stripes[labels] + generator.normal(0, 15, (2 * images, SIDE, SIDE))
    pictures = torch.from_numpy(pixels[:, None].clip(0, 255).astype(np.uint8))
    if shuffled:
        labels = generator.permutation(labels)
    return Pictures(
        train=pictures[:images],
        labels=labels[:images],
        test=pictures[images:],
        truth=labels[images:],
        ids=np.arange(images).astype(str),
        shape=Images(side=SIDE, read_side=SIDE, range=None, colours=None, mean=(0.4,), std=(0.25,)),
        view=View.model_validate(EVERYTHING_OFF | view),
    )


def run(pictures: Pictures, params: Finetune = PARAMS, advance: Callable[[int], None] = lambda _: None) -> Outcome:
    return finetune(
        make_encoder(), pictures, draw_portions(pictures.labels, params, SHARED, str)[0], params, 0, advance
    )


def read_value(outcome: Outcome, name: str) -> float:
    metric = outcome.metrics[name]
    return metric if isinstance(metric, float) else metric.value


def test_classes_that_are_apart_are_told_from_any_share_of_the_labels() -> None:
    steps: list[int] = []
    outcome = run(make_pictures(flip=0.5), advance=steps.append)
    assert [read_value(outcome, f"accuracy{share}") for share in ("", "_30_percent", "_2_percent")] == [1, 1, 1]
    assert read_value(outcome, "learning_rate") == 0.1, "at the other one it diverges"
    assert read_value(outcome, "learning_rate_2_percent") == PARAMS.few_label_learning_rate
    assert sum(steps) == count_steps(draw_portions(make_pictures().labels, PARAMS, SHARED, str)[0], PARAMS)
    for name, right in outcome.scores.items():
        assert read_value(outcome, name) == right.mean()
    np.testing.assert_array_equal(outcome.predicted == outcome.actual, outcome.scores["accuracy"])
    assert outcome.curves["few_labels"].x.tolist() == [40, 12, 1]
    assert outcome.curves["few_labels"].y.tolist() == [1, 1, 1]


def test_labels_that_say_nothing_give_chance() -> None:
    accuracy = run(make_pictures(shuffled=True), PARAMS.model_copy(update={"fractions": (1.0,)})).metrics["accuracy"]
    assert not isinstance(accuracy, float)
    assert accuracy.low < 1 / CLASSES < accuracy.high


def test_the_encoder_that_is_judged_stays_as_it_is_and_the_same_seed_gives_the_same_bits() -> None:
    judged = make_encoder()
    before = {name: tensor.clone() for name, tensor in judged.state_dict().items()}
    fits = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed + 5)  # whatever else drew from torch's own generator
        fits.append(
            Tuner(judged, make_pictures(rotate=10.0), PARAMS, seed, lambda _: None).fit(np.arange(60), 0.1).state_dict()
        )
    assert all(torch.equal(tensor, before[name]) for name, tensor in judged.state_dict().items())
    assert all(torch.equal(fits[0][name], fits[1][name]) for name in fits[0])
    assert not torch.equal(fits[0]["0.0.weight"], fits[2]["0.0.weight"])
    assert not torch.equal(fits[0]["0.0.weight"], before["0.weight"]), "the encoder was not trained"
    assert not torch.equal(fits[0]["0.1.running_mean"], before["1.running_mean"]), "its norms were not in train mode"


def test_the_test_images_decide_no_setting() -> None:
    pictures = make_pictures()
    changed = replace(pictures, truth=pictures.truth[::-1].copy(), test=255 - pictures.test)
    rates = [
        {name: rate for name, rate in run(judged).metrics.items() if "rate" in name} for judged in (pictures, changed)
    ]
    assert rates[0] == rates[1]


def test_views_keep_the_geometry_of_pretraining_and_leave_its_colours() -> None:
    colours = {"jitter": 1.0, "brightness": 0.8, "contrast": 0.8, "solarise": 1.0, "blur": 1.0, "noise": 0.5}
    for shift, alike in ((0.0, True), (0.3, False)):
        pictures = make_pictures(shift=shift, **colours)  # type: ignore[arg-type]
        step = Tuner(make_encoder(), pictures, PARAMS, 0, lambda _: None).make_step(0.1)
        images = step.make_views(pictures.train[:20], step.draw(20))
        originals = (pictures.train[:20].float() / 255 - 0.4) / 0.25
        nearest = torch.cdist(images.flatten(1), originals.flatten(1)).min(1)
        assert bool((nearest.values < 1e-3).all()) == alike
        if alike:
            assert nearest.indices.tolist() == list(range(20))


def test_each_image_is_learned_with_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, seen = make_pictures(), []
    monkeypatch.setattr(SupervisedStep, "__call__", lambda self, batch, *_: seen.append(batch))
    rows = np.arange(119, 0, -2)
    Tuner(make_encoder(), pictures, PARAMS.model_copy(update={"batch_size": 16}), 0, lambda _: None).fit(rows, 0.1)
    assert len(seen) == PARAMS.min_steps
    for images, labels in seen:
        places = [int((pictures.train == image).flatten(1).all(1).nonzero()) for image in images]
        assert set(places) <= set(rows.tolist())
        assert labels.tolist() == pictures.labels[places].tolist()


def test_images_read_larger_are_judged_as_they_are_seen() -> None:
    """A gray slope stays a slope at half its size; an image of the size that is seen is not resampled."""
    slope = torch.arange(0, 256, 16).byte().expand(1, 1, 16, 16)
    small = scale_plain(slope, 8) * 255
    assert small.shape == (1, 1, 8, 8)
    np.testing.assert_allclose(small[0, 0, 0, 2:-2], np.arange(8, 256, 32)[2:-2], atol=1)
    assert torch.equal(scale_plain(slope, 16), slope.float() / 255)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_fit_is_plain_sgd_with_nesterov_momentum_and_a_cosine(momentum: float) -> None:
    """With an encoder without weights and all images in a batch, it is softmax regression without decay of the bias."""
    pictures, rate, decay, steps = make_pictures(images=60), 0.05, 0.3, 30
    params = PARAMS.model_copy(
        update={"momentum": momentum, "weight_decay": decay, "batch_size": 60, "epochs": steps, "min_steps": 1}
    )
    fitted = Tuner(nn.Flatten(), pictures, params, 0, lambda _: None).fit(np.arange(60), rate).state_dict()

    inputs = (pictures.train.numpy().reshape(60, -1) / 255 - 0.4) / 0.25
    truth = np.eye(CLASSES)[pictures.labels]
    weights, bias = np.zeros((CLASSES, SIDE * SIDE)), np.zeros(CLASSES)
    speed, bias_speed = np.zeros_like(weights), np.zeros_like(bias)
    for step in range(steps):
        odds = np.exp(inputs @ weights.T + bias)
        error = (odds / odds.sum(1, keepdims=True) - truth) / 60
        slope, bias_slope = error.T @ inputs + decay * weights, error.sum(0)
        speed, bias_speed = momentum * speed + slope, momentum * bias_speed + bias_slope
        now = rate * (1 + np.cos(np.pi * step / steps)) / 2
        weights = weights - now * (slope + momentum * speed)
        bias = bias - now * (bias_slope + momentum * bias_speed)
    np.testing.assert_allclose(fitted["1.weight"], weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fitted["1.bias"], bias, rtol=1e-3, atol=1e-5)
