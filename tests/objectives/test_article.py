"""The article's objective as a whole: which networks, which views, what each term moves, what it does to BatchNorm."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from components.byol.engine import start_engine
from components.byol.replicas import Replica
from components.byol.train import State, build_objective, start, train_step
from components.objectives.article import Article
from tests.byol.tiny import CPU, SGD, pairs
from tests.small import settings

TERMS = ("reconstruction", "centre", "contrastive", "adversarial")
ARTICLE = {"name": "article", "hidden": 24, "features": 10}
TINY = {"name": "tiny_resnet", "widths": (4, 8), "blocks": 1}


def only(**weights: float) -> dict[str, float]:
    return dict.fromkeys(TERMS, 0.0) | weights


def begin(weights: dict[str, float], encoder: dict[str, Any] = ARTICLE, **changes: Any) -> tuple[State, Any, Article]:
    params = settings(objective="article", article=weights, encoder=encoder, optimiser=SGD, **changes)
    made = build_objective(params)
    assert isinstance(made, Article)
    return start(made, params, steps_per_epoch=1), start_engine(made.networks, params, CPU, Replica(0, 1)), made


def test_a_part_without_weight_is_not_there() -> None:
    """Neither its network nor its name."""
    expected = {
        "reconstruction": {"encoder", "decoder"},
        "centre": {"encoder"},
        "contrastive": {"encoder", "direction"},
        "adversarial": {"encoder", "decoder", "discriminator"},
    }
    for term, networks in expected.items():
        state, engine, made = begin(only(**{term: 1.0}))
        assert set(made.networks) == networks
        assert made.terms == (term,)
        assert train_step(state, engine, pairs(1)[0], learning_rate=0.0, schedule={}).shape == (2,)


def test_without_any_weight_there_is_nothing_to_learn() -> None:
    with pytest.raises(ValidationError, match="article: every weight is 0"):
        settings(objective="article", article=only())
    assert settings(objective="byol", article=only()).objective == "byol", "which asks for none of them"


@torch.no_grad()
def by_hand(made: Article, view: Tensor) -> dict[str, float]:
    """Every term of one view, from the networks themselves."""
    networks = made.networks
    features = networks["encoder"](view)
    rebuilt = networks["decoder"](features)
    again = networks["encoder"](rebuilt)
    judged, other = networks["discriminator"](features), networks["discriminator"](again)
    ones = torch.ones_like(judged)
    entropies = F.binary_cross_entropy_with_logits(judged, ones), F.binary_cross_entropy_with_logits(other, 0 * ones)
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square()
    count = len(view)
    return {
        "reconstruction": float(((rebuilt - view) ** 2).mean()),
        "centre": float(distances.sum() / (count * (count - 1))),
        "contrastive": float(F.softplus(-features @ networks["direction"].weight.T).mean()),
        "adversarial": float(sum(entropies) / 2),
    }


def test_every_term_is_the_average_of_both_views_and_the_loss_their_weighted_sum() -> None:
    weights = {"reconstruction": 2.0, "centre": 0.5, "contrastive": 3.0, "adversarial": 0.25}
    state, engine, made = begin(weights)
    state.objective.double()
    pair = pairs(1, dtype=torch.float64)[0]
    with torch.no_grad():
        loss = made.loss(pair, engine)
    first, second = (by_hand(made, view) for view in pair)
    for term in TERMS:
        assert float(loss.terms[term]) == pytest.approx((first[term] + second[term]) / 2, rel=1e-9), term
    assert float(loss.total) == pytest.approx(sum(weights[term] * float(loss.terms[term]) for term in TERMS), rel=1e-9)


def test_two_equal_views_are_the_plain_image() -> None:
    """What the article trains on: strengths of 0 make both views the image."""
    _, engine, made = begin(only(reconstruction=1.0, centre=1.0))
    view = pairs(1)[0][0]
    both = made.loss((view, view), engine)
    assert float(both.terms["centre"]) == pytest.approx(by_hand_centre(made, view), rel=1e-5)


def by_hand_centre(made: Article, view: Tensor) -> float:
    features = made.encoder(view).detach().double()
    return float(torch.pdist(features).square().mean())


def test_the_discriminator_learns_to_tell_and_the_encoder_to_fool_it() -> None:
    """One step of either, the others held still: the loss falls for the one and rises for the other."""

    def after(moved: tuple[str, ...]) -> float:
        state, engine, made = begin(only(adversarial=1.0))
        for name, network in made.networks.items():
            network.requires_grad_(name in moved)
        before = float(made.loss(pairs(1, batch=32)[0], engine).total)
        train_step(state, engine, pairs(1, batch=32)[0], learning_rate=0.05, schedule={})
        return float(made.loss(pairs(1, batch=32)[0], engine).total) - before

    assert after(("discriminator",)) < 0
    assert after(("encoder",)) > 0
    assert after(("decoder",)) > 0


def test_rebuilt_images_leave_no_trace_in_the_encoders_statistics() -> None:
    """It is kept for real images; a discriminator's batches would shift what eval mode normalises with."""
    found = {}
    for name, adversarial in {"with": 1.0, "without": 0.0}.items():
        _, engine, made = begin(only(reconstruction=1.0, adversarial=adversarial), TINY)
        made.loss(pairs(1)[0], engine)
        found[name] = {key: value for key, value in made.encoder.named_buffers() if "running" in key}
        assert {one.momentum for one in made.encoder.modules() if isinstance(one, nn.BatchNorm2d)} == {0.1}
    assert found["with"].keys() == found["without"].keys()
    assert all(torch.equal(found["with"][key], value) for key, value in found["without"].items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("batch", [1, 6])
def test_a_step_is_finite_whatever_the_features(batch: int, scale: float, precision: str) -> None:
    """A batch of one, equal images and very large ones, in half precision too."""
    state, engine, made = begin(dict.fromkeys(TERMS, 1.0), precision=precision)
    pair = tuple(scale * view for view in pairs(1, batch=batch)[0])
    found = train_step(state, engine, pair, learning_rate=1e-12, schedule={})
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
    assert all(bool(one.grad.isfinite().all()) for one in made.parameters() if one.grad is not None)


def test_half_precision_is_the_same_but_for_rounding() -> None:
    """The sums are taken in float32: of many features in bfloat16, the centre loss would be off by percents."""
    found = []
    for precision in ("float32", "bfloat16"):
        _, engine, made = begin(dict.fromkeys(TERMS, 1.0), precision=precision)
        found.append({name: float(value) for name, value in made.loss(pairs(1)[0], engine).terms.items()})
    assert found[0] != found[1]
    assert found[1] == pytest.approx(found[0], rel=0.02)


def test_a_lone_centre_loss_collapses_the_features() -> None:
    """Its minimum, whatever the article hopes of it."""
    state, engine, made = begin(only(centre=1.0))
    before = copy.deepcopy(made)
    for _ in range(200):
        train_step(state, engine, pairs(1)[0], learning_rate=0.5, schedule={})
    view = pairs(1)[0][0]
    assert by_hand_centre(made, view) < 0.01 * by_hand_centre(before, view)


def test_what_is_watched_are_the_features() -> None:
    _, _, made = begin(only(centre=1.0))
    features = torch.rand(3, 10)
    assert made.watch(features) is features


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (only(centre=1.0), "pretrain.article.centre (1) too high beside pretrain.article.reconstruction (0), "),
        (
            only(reconstruction=0.5, centre=2.0, contrastive=3.0),
            "pretrain.article.centre (2) and pretrain.article.contrastive (3) too high beside",
        ),
        (only(reconstruction=1.0), "pretrain.optimiser.learning_rate too high (0.1)"),
    ],
    ids=["centre", "three", "autoencoder"],
)
def test_the_causes_of_a_collapse_are_the_weights_that_pull(weights: dict[str, float], said: str) -> None:
    params = settings(objective="article", article=weights, optimiser=SGD)
    causes = build_objective(params).causes(params)
    assert causes.startswith(said)
    assert causes.endswith("pretrain.optimiser.learning_rate too high (0.1)")
