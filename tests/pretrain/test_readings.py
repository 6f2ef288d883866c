"""Readings of a network in mid-training are right, the same when taken again, and leave no trace in the run."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from components.learning import health
from components.learning.engine import Engine
from components.pretrain import readings
from components.pretrain.loop import State
from components.pretrain.readings import Sample, take_readings
from components.stage.errors import RunError
from components.store.decode import decode_square
from tests.pretrain.tiny import begin_training, draw_pairs
from tests.small import encode_png, make_settings

MEAN, STD = 0.5, 0.25
NAMES = {"z_std", "rank_me", "alignment", "uniformity", "projection_spread"}


def draw_patterns(count: int, *, seed: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Draw noise with a faint brighter stripe where the class says so, and the classes: (N, 1, 8, 8) uint8, (N,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    images = rng.integers(0, 200, (count, 1, 8, 8))
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label : 2 * label + 2] += 35
    return torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels)


@pytest.fixture
def sample() -> Sample:
    (queries, query_labels), (bank, bank_labels) = draw_patterns(60, seed=1), draw_patterns(90, seed=2)
    return Sample(draw_patterns(40, seed=3)[0], queries, query_labels, bank, bank_labels)


@pytest.fixture
def trained() -> tuple[State, Engine]:
    """A state whose networks have BatchNorm statistics away from their first values, and its engine."""
    state, engine = begin_training(make_settings(precision="float32", compile="never"))
    with torch.no_grad():
        for first, second in draw_pairs(3):
            state.objective.online(first)
            state.objective.target(second)
    return state, engine


def encode(state: State, images: Tensor) -> np.ndarray:
    """Embed with a copy of the encoder, in eval mode, one image at a time: (N, D) float64, of length 1."""
    encoder = copy.deepcopy(state.objective.encoder).eval()
    pixels = (images.numpy().astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    with torch.no_grad():
        features = np.concatenate([encoder(torch.from_numpy(image[None])).numpy() for image in pixels]).astype(
            np.float64
        )
    return features / np.linalg.norm(features, axis=1, keepdims=True)


@pytest.mark.parametrize("portion", [256, 7])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (9, 0.07), (9, 1.0), (500, 0.2)])
def test_the_online_knn_is_scikit_learns(
    k: int,
    temperature: float,
    portion: int,
    trained: tuple[State, Engine],
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neighbours by cosine vote with exp(cosine / T); 500 neighbours of a bank of 90 are the whole bank."""
    monkeypatch.setattr(readings, "PORTION", portion)
    reference = KNeighborsClassifier(
        min(k, 90), weights=lambda distance: np.exp((1 - distance) / temperature), metric="cosine", algorithm="brute"
    ).fit(encode(trained[0], sample.bank), sample.bank_labels.numpy())
    expected = reference.score(encode(trained[0], sample.queries), sample.query_labels.numpy())
    params = make_settings(watch__knn_k=k, watch__knn_temperature=temperature)
    assert take_readings(*trained, sample, params)["knn"] == pytest.approx(expected, abs=1e-9)
    assert 0 < expected < 1


def test_a_class_that_the_bank_lacks_counts_as_wrong(trained: tuple[State, Engine], sample: Sample) -> None:
    unknown = Sample(sample.images, sample.queries, torch.full((60,), 9), sample.bank, sample.bank_labels)
    assert take_readings(*trained, unknown, make_settings())["knn"] == 0


def test_the_health_is_of_the_whole_images_features(
    trained: tuple[State, Engine], sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder is in eval mode, and the number of images embedded at a time does not matter."""
    monkeypatch.setattr(readings, "PORTION", 16)
    measured = take_readings(*trained, sample, make_settings())
    assert measured.keys() == NAMES | {"knn"}
    features = encode(trained[0], sample.images)
    assert measured["z_std"] == pytest.approx(features.std(axis=0, ddof=1).mean(), rel=1e-4)
    assert measured["uniformity"] == pytest.approx(health.uniformity(torch.from_numpy(features)), rel=1e-4)
    assert 1 < measured["rank_me"] <= 16
    assert measured["alignment"] == pytest.approx(0, abs=1e-9), "both views are the image itself"


def test_the_alignment_is_of_two_views_and_stays_from_reading_to_reading(
    trained: tuple[State, Engine], sample: Sample
) -> None:
    """Otherwise its curve would show changes of the views and not of the network."""
    params = make_settings(views__first__noise=0.2, seed=3)
    first, repeat = take_readings(*trained, sample, params), take_readings(*trained, sample, params)
    assert first == repeat
    assert first["alignment"] > 1e-4


def test_a_store_without_labels_is_read_without_a_knn(trained: tuple[State, Engine], sample: Sample) -> None:
    no_images, no_labels = sample.queries[:0], sample.query_labels[:0]
    assert (
        take_readings(
            *trained, Sample(sample.images, no_images, no_labels, no_images, no_labels), make_settings()
        ).keys()
        == NAMES
    )


def test_images_are_seen_as_the_probes_will_see_them() -> None:
    """Images read at 16 x 16 and scaled to 8 x 8 differ from Pillow's scaling by at most 1.5 of 255 grays."""
    rng = np.random.default_rng(0)
    large = np.kron(rng.integers(50, 200, (5, 4, 4)), np.ones((4, 4))).astype(np.uint8)
    expected = np.stack([decode_square(encode_png(image), side=8, channels=1, deep=False) for image in large])
    seen = readings.scale_and_normalise(torch.from_numpy(large[:, None]), make_settings(images__read_side=16))
    np.testing.assert_allclose((seen.numpy() * STD + MEAN) * 255, expected, atol=1.5)


def collect_state(state: State) -> dict[str, Any]:
    tensors = {name: value.clone() for name, value in state.objective.state_dict().items()}
    modes = {f"{name} trains": module.training for name, module in state.objective.named_modules()}
    return tensors | modes | {"rng": torch.get_rng_state(), "numpy": torch.from_numpy(np.random.get_state()[1].copy())}


@pytest.mark.parametrize("collapsed", [False, True])
def test_a_run_that_is_looked_at_stays_the_same(collapsed: bool, trained: tuple[State, Engine], sample: Sample) -> None:
    """Weights, statistics, modes and random numbers stay, even if taking the readings ends in an error."""
    params = make_settings(views__first__noise=0.2, watch__collapse=1e9 if collapsed else 0.0)
    before = collect_state(trained[0])
    try:
        take_readings(*trained, sample, params)
        assert not collapsed
    except RunError:
        assert collapsed
    after = collect_state(trained[0])
    assert before.keys() == after.keys()
    assert all(torch.equal(torch.as_tensor(before[name]), torch.as_tensor(after[name])) for name in before)
    assert all(module.training for module in trained[0].objective.modules())
    assert all(parameter.grad is None for parameter in trained[0].objective.parameters())


Collapse = Callable[[State], None]


def collapse_to_a_point(state: State) -> None:
    """Make the projections of all images the same."""
    torch.nn.init.zeros_(state.objective.online.projector[-1].weight)


def collapse_to_a_line(state: State) -> None:
    """Make all projections point in nearly the same direction, at different lengths."""
    weight = state.objective.online.projector[-1].weight
    with torch.no_grad():
        weight.copy_(torch.ones_like(weight))
        state.objective.online.projector[1].bias.fill_(10)


@pytest.mark.parametrize("collapse", [collapse_to_a_point, collapse_to_a_line])
def test_a_collapse_ends_the_run_with_one_line_that_names_what_to_change(
    collapse: Collapse, trained: tuple[State, Engine], sample: Sample
) -> None:
    collapse(trained[0])
    params = make_settings(watch__collapse=0.1, tau_base=0.5, optimiser__learning_rate=3.0)
    with pytest.raises(RunError) as caught:
        take_readings(*trained, sample, params)
    line = str(caught.value)
    assert line.startswith("collapse after step 0: the projections of 40 images spread 0.0000 of ")
    for part in ("pretrain.watch.collapse: 0.1", "tau_base too low (0.5)", "learning_rate too high (3)"):
        assert part in line
    assert "\n" not in line


def test_the_start_is_measured_as_the_readings_measure_it_and_leaves_the_run_as_it_is(
    trained: tuple[State, Engine], sample: Sample
) -> None:
    before = collect_state(trained[0])
    params = make_settings(watch__collapse=0.0)
    assert readings.measure_start(*trained, sample, params) == take_readings(*trained, sample, params)["knn"]
    after = collect_state(trained[0])
    assert all(torch.equal(torch.as_tensor(before[name]), torch.as_tensor(after[name])) for name in before)
    without = dataclasses.replace(sample, queries=sample.queries[:0])
    assert readings.measure_start(*trained, without, params) is None


@pytest.mark.parametrize(
    ("knn", "queries", "warned"), [(0.7, 100, False), (0.7, 1000, True), (0.9, 1000, False), (0.8, 10, False)]
)
def test_only_more_than_chance_explains_is_a_fall(knn: float, queries: int, warned: bool) -> None:
    """Three standard errors of a share of 0.75 are 0.13 on 100 images, and 0.041 on 1,000."""
    assert bool(readings.describe_fall(knn, 0.8, queries, 5, make_settings())) == warned


def test_a_fall_that_nothing_measures_is_refused() -> None:
    with pytest.raises(ValidationError, match="fall: it is the kNN that falls, and knn_queries: 0 leaves it out"):
        make_settings(watch__fall=0.1, watch__knn_queries=0)


def test_a_healthy_network_goes_on(trained: tuple[State, Engine], sample: Sample) -> None:
    assert take_readings(*trained, sample, make_settings(watch__collapse=0.1))["projection_spread"] > 0.1
