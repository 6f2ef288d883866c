"""Robustness: attacks are checked on a linear model, where they have a closed form, corruptions by other libraries."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from components.encoder.params import Images
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate
from components.features.judging.classifier import Classifier
from components.features.judging.labelled import LabelledFeatures
from components.probes import robustness
from components.probes.robustness import JudgedNetwork, find_jpeg_fault, list_disturbances, measure_robustness
from components.stage.command import read_params
from tests.conftest import ROOT

SIDE, EPSILON = 8, 4.0
EVALUATE: Evaluate = read_params(ROOT / "params.yaml").evaluate
ATTACKS = EVALUATE.robustness.model_copy(
    update={
        "noise": (0.1,),
        "blur": (1.0,),
        "jpeg": (40,),
        "brightness": (0.5,),
        "fgsm": (EPSILON,),
        "pgd": (EPSILON,),
        "images": 300,
    }
)
WAYS = list_disturbances(ATTACKS, lambda pixels, quality: pixels - pixels % (100 - quality))
SHAPE = Images(side=SIDE, read_side=SIDE, range=None, colours=None, mean=(0.4,), std=(0.25,))


def make_generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_rgb(images: int = 4) -> Tensor:
    """Draw smooth colours in 0..1, like those of photographs: (B, 3, 16, 16)."""
    return nn.functional.interpolate(torch.rand(images, 3, 4, 4, generator=make_generator()), 16, mode="bilinear")


def judge_linear_case(sureness: float) -> tuple[Outcome, np.ndarray]:
    """Judge an encoder that returns the pixels, with two classes; also return each image's margin in units of a pixel's
    largest change: y (w.x + b) / |w|_1, with w by the pixels."""
    drawn = np.random.default_rng(0)
    images = drawn.integers(60, 190, (300, 1, SIDE, SIDE)).astype(np.uint8)  # no attack meets black or white
    weights, truth = drawn.normal(size=SIDE * SIDE) * sureness, drawn.integers(0, 2, 300)
    normalised = (images.reshape(300, -1) / 255 - SHAPE.mean[0]) / SHAPE.std[0]
    bias = -float(np.median(normalised @ weights))
    truth = np.where(drawn.random(300) < 0.9, normalised @ weights + bias > 0, truth).astype(np.int64)
    margin = (2 * truth - 1) * (normalised @ weights + bias) / np.abs(weights / SHAPE.std[0]).sum()
    both = torch.from_numpy(np.stack([-weights, weights], 1) / 2)
    classifier = Classifier(both, torch.tensor([-bias, bias], dtype=torch.float64) / 2, c=1.0)
    part = LabelledFeatures(np.empty((0, 1)), truth, np.empty((0, 1)), truth, np.arange(300).astype(str))
    judged = JudgedNetwork(nn.Flatten(), torch.float32, classifier, SHAPE)
    return measure_robustness(judged, torch.from_numpy(images), part, WAYS, 0, lambda _: None), margin


@pytest.mark.parametrize("sureness", [0.1, 1e5], ids=["unsure", "so sure that its gradient rounds to 0"])
def test_a_linear_model_withstands_an_attack_where_its_margin_is_above_the_radius(sureness: float) -> None:
    outcome, margin = judge_linear_case(sureness)
    np.testing.assert_array_equal(outcome.scores["accuracy"], margin > 0)
    withstood = margin > EPSILON / 255
    assert 0.1 < withstood.mean() < (margin > 0).mean() - 0.1, "the radius must matter"
    np.testing.assert_array_equal(outcome.scores["accuracy_fgsm_4"], withstood)
    np.testing.assert_array_equal(outcome.scores["accuracy_pgd_4"], withstood)


def test_each_metric_is_the_mean_of_its_images() -> None:
    outcome, _ = judge_linear_case(0.1)
    names = ["noise_0.1", "blur_1", "jpeg_40", "brightness_0.5", "fgsm_4", "pgd_4"]
    assert set(outcome.metrics) == {"accuracy", "c"} | {f"accuracy_{name}" for name in names}
    for name, right in outcome.scores.items():
        assert outcome.metrics[name].value == right.mean()  # type: ignore[union-attr]
    np.testing.assert_array_equal(outcome.predicted == outcome.actual, outcome.scores["accuracy"])


def make_judge() -> robustness.Judge:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5)).double()
    return lambda colours: network(colours.double())


def test_the_attack_goes_up_the_cross_entropy() -> None:
    """With five classes, the cross-entropy depends on more than the margin to one of them."""
    judge, labels = make_judge(), torch.tensor([0, 3, 4, 1])
    colours = draw_rgb().requires_grad_()
    nn.functional.cross_entropy(judge(colours), labels, reduction="sum").backward()  # type: ignore[no-untyped-call]
    assert colours.grad is not None
    assert torch.equal(robustness.compute_ascent(colours, labels, judge), colours.grad.sign())


def test_attacked_images_are_images_within_the_radius_and_pgd_does_more_than_one_step() -> None:
    judge, labels, images = make_judge(), torch.tensor([0, 3, 4, 1]), draw_rgb()
    images[0], images[1] = 0.0, 1.0  # where an attack would leave the range
    attack = partial(robustness.attack_pgd, 0.1, 10)
    single = robustness.attack_fgsm(0.1, images, labels, judge, make_generator())
    several = attack(images, labels, judge, make_generator())
    for attacked in (single, several):
        assert attacked.min() >= 0
        assert attacked.max() <= 1
        assert (attacked - images).abs().max() <= 0.1 + 1e-6
    loss_after = [nn.functional.cross_entropy(judge(attacked), labels) for attacked in (single, several)]
    assert loss_after[0] < loss_after[1]
    first, again, changed = (attack(images, labels, judge, make_generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, changed), "the start is not random"


def refuse(colours: Tensor) -> Tensor:
    raise AssertionError("a corruption asks no network")


def test_corruptions_are_those_of_other_libraries() -> None:
    images, labels = draw_rgb(), torch.zeros(4, dtype=torch.long)
    blurred = robustness.blur(1.0, images, labels, refuse, make_generator())
    reference = gaussian_filter(images.numpy(), (0, 0, 1, 1), mode="mirror", truncate=3)
    np.testing.assert_allclose(blurred, reference, atol=1e-5)

    bright = robustness.scale_brightness(1.5, images, labels, refuse, make_generator())
    np.testing.assert_allclose(bright, np.clip(1.5 * images.numpy(), 0, 1), atol=1e-6)

    gray = torch.full((50, 1, 16, 16), 0.5)
    noisy = robustness.add_noise(0.1, gray, torch.zeros(50), refuse, make_generator()) - gray
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.02)


def test_a_blur_wider_than_the_image_is_still_done() -> None:
    smooth = robustness.blur(20.0, draw_rgb(), torch.zeros(4), refuse, make_generator())
    assert smooth.std(dim=(2, 3)).max() < 0.1 * draw_rgb().std(dim=(2, 3)).max()


class RecordingEncoder(nn.Module):
    """An encoder that records the images that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        self.seen.append(images.detach())
        return images.flatten(1)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_never_disturbed(channels: int) -> None:
    drawn = torch.randint(0, 256, (6, channels, SIDE, SIDE), generator=make_generator()).byte()
    shape = Images(side=SIDE, read_side=SIDE, range=None, colours=None, mean=(0.0,) * channels, std=(1.0,) * channels)
    weights = torch.randn(channels * SIDE * SIDE, 3, generator=make_generator()).double()
    truth = np.arange(6) % 3
    part = LabelledFeatures(np.empty((0, 1)), truth, np.empty((0, 1)), truth, truth.astype(str))
    encoder = RecordingEncoder()
    judged = JudgedNetwork(encoder, torch.float32, Classifier(weights, torch.zeros(3), 1.0), shape)
    measure_robustness(judged, drawn, part, WAYS, 0, lambda _: None)
    shown = torch.stack(encoder.seen)
    assert torch.equal(shown[:, :, -1], (drawn[:, -1].float() / 255).expand(len(shown), -1, -1, -1))
    assert not torch.equal(shown[-1][:, :-1], shown[0][:, :-1])


def test_an_attack_asks_for_no_value_and_mixes_no_devices() -> None:
    """Tensors on `meta` have no values: whatever would fetch one to the host, as a GPU would have to, raises."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5)).to("meta")
    colours, labels = draw_rgb().to("meta"), torch.zeros(4, dtype=torch.long, device="meta")
    for name, disturb in WAYS.items():
        if "jpeg" not in name:  # which is written on the host
            assert network(disturb(colours, labels, network, make_generator())).shape == (4, 5)


def make_network_on_gpu() -> JudgedNetwork:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten()).cuda()
    weights = torch.randn(8 * 14 * 14, 5, generator=make_generator(), dtype=torch.float64)
    shape = Images(side=16, read_side=16, range=None, colours=None, mean=(0.4,) * 3, std=(0.25,) * 3)
    return JudgedNetwork(network, torch.bfloat16, Classifier(weights.cuda(), torch.zeros(5).cuda(), 1.0), shape)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_an_attack_on_a_gpu_does_not_wait_for_the_host() -> None:
    colours, labels = draw_rgb().cuda(), torch.zeros(4, dtype=torch.long, device="cuda")
    judge = partial(make_network_on_gpu().compute_logits, colours[:, :0])
    attack = partial(robustness.attack_pgd, 0.1, 3, colours, labels, judge, torch.Generator("cuda"))
    attack()  # the first call chooses algorithms
    torch.cuda.set_sync_debug_mode("error")
    try:
        attack()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("channels", "changes", "reason"),
    [
        (1, {}, ""),
        (4, {}, ""),
        (3, {"range": (0, 4095)}, "JPEG holds 8 bits per channel, and the images have a range of their own"),
        (13, {}, "JPEG holds gray or RGB, and the images have other channels"),
        (4, {"colours": (2, 1, 0)}, "JPEG holds gray or RGB, and the images have other channels"),
    ],
)
def test_jpeg_is_left_out_where_it_cannot_hold_the_images(channels: int, changes: Any, reason: str) -> None:
    numbers = {"mean": (0.4,) * channels, "std": (0.2,) * channels}
    shape = Images(side=SIDE, read_side=SIDE, **{"range": None, "colours": None, **numbers, **changes})
    assert find_jpeg_fault(shape) == reason


def test_every_channel_is_disturbed_within_the_range() -> None:
    """Of 13 channels of 12 bits, all are disturbed, and an attack's radius is a share of the range."""
    drawn = torch.randint(0, 4096, (6, 13, SIDE, SIDE), generator=make_generator()).to(torch.uint16)
    shape = Images(side=SIDE, read_side=SIDE, range=(0, 4095), colours=(3, 2, 1), mean=(0.0,) * 13, std=(1.0,) * 13)
    weights = torch.randn(13 * SIDE * SIDE, 3, generator=make_generator()).double()
    truth = np.arange(6) % 3
    part = LabelledFeatures(np.empty((0, 1)), truth, np.empty((0, 1)), truth, truth.astype(str))
    encoder = RecordingEncoder()
    judged = JudgedNetwork(encoder, torch.float32, Classifier(weights, torch.zeros(3), 1.0), shape)
    ways = {name: way for name, way in WAYS.items() if "jpeg" not in name}
    measure_robustness(judged, drawn, part, ways, 0, lambda _: None)
    clean, attacked = drawn.float() / 4095, encoder.seen[-1]
    torch.testing.assert_close(encoder.seen[0], clean)
    assert (attacked - clean).abs().amax((0, 2, 3)).min() > 0
    assert float((attacked - clean).abs().max()) <= max(ATTACKS.pgd) / 255 + 1e-5
