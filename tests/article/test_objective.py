"""Tests the article's objective as a whole: its networks, its views, the gradients of its terms, and BatchNorm."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from components.article.objective import Article
from components.learning.engine import start_engine
from components.learning.objective import ViewSet
from components.learning.replicas import Replica
from components.pretrain.loop import State, build_objective, start_state
from components.stage.command import read_params
from components.stage.errors import InputError
from tests.conftest import ROOT, set_params
from tests.pretrain.tiny import CPU, SGD, draw_pairs, take_step
from tests.small import make_settings

TERMS = ("reconstruction", "centre", "contrastive", "adversarial")
ARTICLE = {"name": "article", "hidden": 24, "features": 10}
TINY = {"name": "tiny_resnet", "widths": (4, 8), "blocks": 1}


def make_weights(**weights: float) -> dict[str, float]:
    return dict.fromkeys(TERMS, 0.0) | weights


def begin(weights: dict[str, float], encoder: dict[str, Any] = ARTICLE, **changes: Any) -> tuple[State, Any, Article]:
    shared = {"objective": "article", "article": weights, "encoder": encoder, "optimiser": SGD}
    params = make_settings(**(shared | changes))
    objective = build_objective(params)
    assert isinstance(objective, Article)
    return (
        start_state(objective, params, steps_per_epoch=1),
        start_engine(objective.networks, params, CPU, Replica(0, 1)),
        objective,
    )


def test_a_part_without_weight_is_not_there() -> None:
    """A term of weight 0 adds neither its network nor its name."""
    expected = {
        "reconstruction": {"encoder", "decoder"},
        "centre": {"encoder"},
        "contrastive": {"encoder", "direction"},
        "adversarial": {"encoder", "decoder", "discriminator"},
    }
    for term, networks in expected.items():
        state, engine, objective = begin(make_weights(**{term: 1.0}))
        assert set(objective.networks) == networks
        assert objective.terms == (term,)
        assert take_step(state, engine, draw_pairs(1)[0], learning_rate=0.0, schedule={}).shape == (2,)


def test_without_any_weight_there_is_nothing_to_learn() -> None:
    with pytest.raises(ValidationError, match="article: every weight is 0"):
        make_settings(objective="article", article=make_weights())
    assert make_settings(objective="byol", article=make_weights()).objective == "byol", "which asks for none of them"


def test_views_of_a_target_network_are_refused_where_there_is_none(tmp_path: Path) -> None:
    """They would be made at every step, and nobody would look at them."""
    file = tmp_path / "params.yaml"
    file.write_bytes((ROOT / "params.yaml").read_bytes())
    set_params(file, {"pretrain.views.target": {"count": 1}})
    assert read_params(file).pretrain.views.target.count == 1, "which BYOL takes"
    set_params(file, {"pretrain.objective": "article"})
    with pytest.raises(InputError, match=r"^[^\n]*params\.yaml: pretrain: views\.target: .*; leave it empty$"):
        read_params(file)


def compute_by_hand(objective: Article, view: Tensor, term: str) -> Tensor:
    """Compute a term of one view directly from the networks, with its plain gradient."""
    networks = objective.networks
    features = networks["encoder"](view)
    if term == "centre":
        apart = features[:, None] - features[None]
        return apart.square().sum() / (len(view) * (len(view) - 1))
    if term == "contrastive":
        return F.softplus(-features @ networks["direction"].weight.T).mean()
    rebuilt = networks["decoder"](features)
    if term == "reconstruction":
        return ((rebuilt - view) ** 2).mean()
    original, judged_rebuilt = (
        networks["discriminator"](features),
        networks["discriminator"](networks["encoder"](rebuilt)),
    )
    targets = torch.ones_like(original)
    losses = (
        F.binary_cross_entropy_with_logits(original, targets),
        F.binary_cross_entropy_with_logits(judged_rebuilt, 0 * targets),
    )
    return (losses[0] + losses[1]) / 2


def average_by_hand(objective: Article, pair: tuple[Tensor, Tensor], term: str) -> Tensor:
    return (compute_by_hand(objective, pair[0], term) + compute_by_hand(objective, pair[1], term)) / 2


def test_every_term_is_the_average_of_both_views_and_the_loss_their_weighted_sum() -> None:
    """The adversarial term is the exception: its weight is in its gradient."""
    weights = {"reconstruction": 2.0, "centre": 0.5, "contrastive": 3.0, "adversarial": 0.25}
    state, engine, objective = begin(weights)
    state.objective.double()
    pair = draw_pairs(1, dtype=torch.float64)[0]
    with torch.no_grad():
        loss = objective.loss(ViewSet(pair), engine)
        expected = {term: float(average_by_hand(objective, pair, term)) for term in TERMS}
    assert {term: float(value) for term, value in loss.terms.items()} == pytest.approx(expected, rel=1e-9)
    summed = sum((weights | {"adversarial": 1.0})[term] * expected[term] for term in TERMS)
    assert float(loss.total) == pytest.approx(summed, rel=1e-9)


@pytest.mark.parametrize("term", TERMS)
def test_every_network_gets_the_terms_gradient_by_its_weight(term: str) -> None:
    """The adversarial term gives the discriminator its whole gradient, and the other networks the reversed one."""
    state, engine, objective = begin(make_weights(**{term: 0.5}))
    state.objective.double()
    pair = draw_pairs(1, dtype=torch.float64)[0]
    objective.loss(ViewSet(pair), engine).total.backward()
    named = dict(objective.named_parameters())
    plain = torch.autograd.grad(average_by_hand(objective, pair, term), list(named.values()))
    for (name, parameter), gradient in zip(named.items(), plain, strict=True):
        factor = 0.5 if term != "adversarial" else 1.0 if "discriminator" in name else -0.5
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, factor * gradient, rtol=1e-8, atol=1e-14, msg=name)
    assert any(bool(gradient.any()) for name, gradient in zip(named, plain, strict=True) if "encoder" in name)


def test_each_of_many_views_counts_as_much() -> None:
    """Two views of four would else be trained on, and the others made in vain."""
    state, engine, objective = begin(make_weights(reconstruction=1.0, centre=0.5))
    state.objective.double()
    first, second = draw_pairs(2, dtype=torch.float64)
    with torch.no_grad():
        loss = objective.loss(ViewSet((*first, *second)), engine)
        for term in objective.terms:
            expected = (average_by_hand(objective, first, term) + average_by_hand(objective, second, term)) / 2
            assert float(loss.terms[term]) == pytest.approx(float(expected), rel=1e-9)


def test_two_equal_views_are_the_plain_image() -> None:
    """The article trains on plain images: strengths of 0 make both views the image."""
    _, engine, objective = begin(make_weights(reconstruction=1.0, centre=1.0))
    view = draw_pairs(1)[0][0]
    loss = objective.loss(ViewSet((view, view)), engine)
    assert float(loss.terms["centre"].detach()) == pytest.approx(
        float(compute_by_hand(objective, view, "centre").detach()), rel=1e-5
    )


def test_the_discriminator_learns_to_tell_and_the_encoder_to_fool_it() -> None:
    """One step of the discriminator alone lowers the loss; one step of encoder or decoder alone raises it."""

    def change_loss(moved: tuple[str, ...]) -> float:
        state, engine, objective = begin(make_weights(adversarial=1.0))
        for name, network in objective.networks.items():
            network.requires_grad_(name in moved)
        before = float(objective.loss(ViewSet(draw_pairs(1, batch=32)[0]), engine).total.detach())
        take_step(state, engine, draw_pairs(1, batch=32)[0], learning_rate=0.05, schedule={})
        return float(objective.loss(ViewSet(draw_pairs(1, batch=32)[0]), engine).total.detach()) - before

    assert change_loss(("discriminator",)) < 0
    assert change_loss(("encoder",)) > 0
    assert change_loss(("decoder",)) > 0


def test_rebuilt_images_leave_no_trace_in_the_encoders_statistics() -> None:
    """The encoder is kept for real images; rebuilt images would shift the statistics that eval mode normalises with."""
    statistics = {}
    for name, adversarial in {"with": 1.0, "without": 0.0}.items():
        _, engine, objective = begin(make_weights(reconstruction=1.0, adversarial=adversarial), TINY)
        objective.loss(ViewSet(draw_pairs(1)[0]), engine)
        statistics[name] = {key: value for key, value in objective.encoder.named_buffers() if "running" in key}
        assert {module.momentum for module in objective.encoder.modules() if isinstance(module, nn.BatchNorm2d)} == {
            0.1
        }
    assert statistics["with"].keys() == statistics["without"].keys()
    assert all(torch.equal(statistics["with"][key], value) for key, value in statistics["without"].items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("batch", [1, 6])
def test_a_step_is_finite_whatever_the_features(batch: int, scale: float, precision: str) -> None:
    """This holds for a batch of one, for equal and for very large images, and in half precision."""
    state, engine, objective = begin(dict.fromkeys(TERMS, 1.0), precision=precision)
    pair = tuple(scale * view for view in draw_pairs(1, batch=batch)[0])
    losses = take_step(state, engine, pair, learning_rate=1e-12, schedule={})
    assert losses.dtype == torch.float32
    assert bool(losses.isfinite().all())
    assert all(
        bool(parameter.grad.isfinite().all()) for parameter in objective.parameters() if parameter.grad is not None
    )


def test_half_precision_is_the_same_but_for_rounding() -> None:
    """Sums are taken in float32: over many features in bfloat16, the centre loss would be off by percents."""
    terms = []
    for precision in ("float32", "bfloat16"):
        _, engine, objective = begin(dict.fromkeys(TERMS, 1.0), precision=precision)
        terms.append(
            {
                name: float(value.detach())
                for name, value in objective.loss(ViewSet(draw_pairs(1)[0]), engine).terms.items()
            }
        )
    assert terms[0] != terms[1]
    assert terms[1] == pytest.approx(terms[0], rel=0.02)


def test_a_lone_centre_loss_collapses_the_features() -> None:
    """Equal features are its minimum: they shrink, and they also move together relative to their length."""
    state, engine, objective = begin(make_weights(centre=1.0), optimiser=SGD.model_copy(update={"weight_decay": 0.0}))
    before = copy.deepcopy(objective)
    for _ in range(200):
        take_step(state, engine, draw_pairs(1)[0], learning_rate=0.5, schedule={})
    view = draw_pairs(1)[0][0]
    assert compute_relative_distance(objective, view) < 0.1 * compute_relative_distance(before, view)


@torch.no_grad()
def compute_relative_distance(objective: Article, view: Tensor) -> float:
    """Compute the mean squared distance of two features relative to their mean squared length."""
    features = objective.encoder(view).double()
    return float(torch.pdist(features).square().mean() / features.square().sum(1).mean())


def test_what_is_watched_are_the_features() -> None:
    _, _, objective = begin(make_weights(centre=1.0))
    features = torch.rand(3, 10)
    assert objective.compute_watched(features) is features


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (make_weights(centre=1.0), "pretrain.article.centre (1) too high beside pretrain.article.reconstruction (0), "),
        (
            make_weights(reconstruction=0.5, centre=2.0, contrastive=3.0),
            "pretrain.article.centre (2) and pretrain.article.contrastive (3) too high beside",
        ),
        (
            make_weights(reconstruction=0.5, adversarial=2.0),
            "pretrain.article.adversarial (2) too high beside pretrain.article.reconstruction (0.5), ",
        ),
        (make_weights(reconstruction=1.0), "pretrain.optimiser.learning_rate too high (0.1)"),
    ],
    ids=["centre", "three", "adversarial", "autoencoder"],
)
def test_the_causes_of_a_collapse_are_the_weights_that_pull(weights: dict[str, float], message: str) -> None:
    params = make_settings(objective="article", article=weights, optimiser=SGD)
    causes = build_objective(params).explain_collapse(params)
    assert causes.startswith(message)
    assert causes.endswith("pretrain.optimiser.learning_rate too high (0.1)")
