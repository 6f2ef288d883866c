"""The article's objective as a whole: which networks, which views, what each term moves, what it does to BatchNorm."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from components.article.objective import Article
from components.learning.engine import start_engine
from components.learning.replicas import Replica
from components.pretrain.loop import State, build_objective, start, train_step
from tests.pretrain.tiny import CPU, SGD, pairs
from tests.small import settings

TERMS = ("reconstruction", "centre", "contrastive", "adversarial")
ARTICLE = {"name": "article", "hidden": 24, "features": 10}
TINY = {"name": "tiny_resnet", "widths": (4, 8), "blocks": 1}


def only(**weights: float) -> dict[str, float]:
    return dict.fromkeys(TERMS, 0.0) | weights


def begin(weights: dict[str, float], encoder: dict[str, Any] = ARTICLE, **changes: Any) -> tuple[State, Any, Article]:
    shared = {"objective": "article", "article": weights, "encoder": encoder, "optimiser": SGD}
    params = settings(**(shared | changes))
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


def by_hand(made: Article, view: Tensor, term: str) -> Tensor:
    """Of one view, from the networks themselves, with its plain gradient."""
    networks = made.networks
    features = networks["encoder"](view)
    if term == "centre":
        apart = features[:, None] - features[None]
        return apart.square().sum() / (len(view) * (len(view) - 1))
    if term == "contrastive":
        return F.softplus(-features @ networks["direction"].weight.T).mean()
    rebuilt = networks["decoder"](features)
    if term == "reconstruction":
        return ((rebuilt - view) ** 2).mean()
    judged, other = networks["discriminator"](features), networks["discriminator"](networks["encoder"](rebuilt))
    ones = torch.ones_like(judged)
    both = F.binary_cross_entropy_with_logits(judged, ones), F.binary_cross_entropy_with_logits(other, 0 * ones)
    return (both[0] + both[1]) / 2


def of_both(made: Article, pair: tuple[Tensor, Tensor], term: str) -> Tensor:
    return (by_hand(made, pair[0], term) + by_hand(made, pair[1], term)) / 2


def test_every_term_is_the_average_of_both_views_and_the_loss_their_weighted_sum() -> None:
    """But for the adversarial term, whose weight is in its gradient."""
    weights = {"reconstruction": 2.0, "centre": 0.5, "contrastive": 3.0, "adversarial": 0.25}
    state, engine, made = begin(weights)
    state.objective.double()
    pair = pairs(1, dtype=torch.float64)[0]
    with torch.no_grad():
        loss = made.loss(pair, engine)
        expected = {term: float(of_both(made, pair, term)) for term in TERMS}
    assert {term: float(value) for term, value in loss.terms.items()} == pytest.approx(expected, rel=1e-9)
    summed = sum((weights | {"adversarial": 1.0})[term] * expected[term] for term in TERMS)
    assert float(loss.total) == pytest.approx(summed, rel=1e-9)


@pytest.mark.parametrize("term", TERMS)
def test_every_network_gets_the_terms_gradient_by_its_weight(term: str) -> None:
    """The encoder of every term; of the adversarial one the discriminator gets the whole, the others the reverse."""
    state, engine, made = begin(only(**{term: 0.5}))
    state.objective.double()
    pair = pairs(1, dtype=torch.float64)[0]
    made.loss(pair, engine).total.backward()
    named = dict(made.named_parameters())
    plain = torch.autograd.grad(of_both(made, pair, term), list(named.values()))
    for (name, parameter), gradient in zip(named.items(), plain, strict=True):
        factor = 0.5 if term != "adversarial" else 1.0 if "discriminator" in name else -0.5
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, factor * gradient, rtol=1e-8, atol=1e-14, msg=name)
    assert any(bool(gradient.any()) for name, gradient in zip(named, plain, strict=True) if "encoder" in name)


def test_two_equal_views_are_the_plain_image() -> None:
    """What the article trains on: strengths of 0 make both views the image."""
    _, engine, made = begin(only(reconstruction=1.0, centre=1.0))
    view = pairs(1)[0][0]
    both = made.loss((view, view), engine)
    assert float(both.terms["centre"].detach()) == pytest.approx(
        float(by_hand(made, view, "centre").detach()), rel=1e-5
    )


def test_the_discriminator_learns_to_tell_and_the_encoder_to_fool_it() -> None:
    """One step of either, the others held still: the loss falls for the one and rises for the other."""

    def after(moved: tuple[str, ...]) -> float:
        state, engine, made = begin(only(adversarial=1.0))
        for name, network in made.networks.items():
            network.requires_grad_(name in moved)
        before = float(made.loss(pairs(1, batch=32)[0], engine).total.detach())
        train_step(state, engine, pairs(1, batch=32)[0], learning_rate=0.05, schedule={})
        return float(made.loss(pairs(1, batch=32)[0], engine).total.detach()) - before

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
        found.append({name: float(value.detach()) for name, value in made.loss(pairs(1)[0], engine).terms.items()})
    assert found[0] != found[1]
    assert found[1] == pytest.approx(found[0], rel=0.02)


def test_a_lone_centre_loss_collapses_the_features() -> None:
    """Its minimum, whatever the article hopes of it: beside their length they lie together, not only shrunken."""
    state, engine, made = begin(only(centre=1.0), optimiser=SGD.model_copy(update={"weight_decay": 0.0}))
    before = copy.deepcopy(made)
    for _ in range(200):
        train_step(state, engine, pairs(1)[0], learning_rate=0.5, schedule={})
    view = pairs(1)[0][0]
    assert apart_for_their_length(made, view) < 0.1 * apart_for_their_length(before, view)


@torch.no_grad()
def apart_for_their_length(made: Article, view: Tensor) -> float:
    """Mean squared distance of two features by their mean squared length."""
    features = made.encoder(view).double()
    return float(torch.pdist(features).square().mean() / features.square().sum(1).mean())


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
        (
            only(reconstruction=0.5, adversarial=2.0),
            "pretrain.article.adversarial (2) too high beside pretrain.article.reconstruction (0.5), ",
        ),
        (only(reconstruction=1.0), "pretrain.optimiser.learning_rate too high (0.1)"),
    ],
    ids=["centre", "three", "adversarial", "autoencoder"],
)
def test_the_causes_of_a_collapse_are_the_weights_that_pull(weights: dict[str, float], said: str) -> None:
    params = settings(objective="article", article=weights, optimiser=SGD)
    causes = build_objective(params).causes(params)
    assert causes.startswith(said)
    assert causes.endswith("pretrain.optimiser.learning_rate too high (0.1)")
