"""Tests which parameters are decayed and adapted, and the optimisers' steps against float64 arithmetic by hand."""

import pytest
import torch
from torch import nn

from components.byol.objective import Byol
from components.byol.params import Head
from components.encoder.build import build_encoder
from components.encoder.params import TinyResNet, TorchvisionResNet
from components.learning.continuing import Continuing
from components.learning.lars import LARS
from components.learning.optimiser import build_optimiser, compute_factors, scale_learning_rate, set_rate
from components.learning.params import Adam, AdamW, Cosine, Lars, Optimiser, RmsProp, Sgd
from tests.encoder.test_from_timm import timm_network
from tests.pretrain.tiny import PretrainWith, build_byol

TINY = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)
RESNET18 = TorchvisionResNet(name="resnet18", stem="small")


CARELESS = Continuing(layer_decay=1.0, frozen_layers=0, norms="batch", anchor=0.0, head_epochs=0)
COMMON = {"learning_rate": 0.05, "weight_decay": 0.1, "warmup_epochs": 0.0, "decay": Cosine(name="cosine")}
SETTINGS: dict[str, Optimiser] = {
    "adam": Adam(name="adam", beta1=0.9, beta2=0.999, **COMMON),
    "adamw": AdamW(name="adamw", beta1=0.9, beta2=0.999, **COMMON),
    "rmsprop": RmsProp(name="rmsprop", smoothing=0.99, momentum=0.9, **COMMON),
    "sgd": Sgd(name="sgd", momentum=0.9, **COMMON),
    "lars": Lars(name="lars", momentum=0.9, trust_coefficient=0.01, trust_clip=False, **COMMON),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("encoder", [TINY, RESNET18], ids=["tiny", "resnet18"])
def test_biases_and_norms_are_not_decayed_and_every_other_weight_is(
    encoder: TinyResNet | TorchvisionResNet, name: str, pretrain_with: PretrainWith
) -> None:
    params = pretrain_with(encoder=encoder, head=Head(hidden=8, out=4))
    with torch.device("meta"):
        online = Byol.build_around(build_encoder(encoder, channels=1, side=8), params).online
    norms = {
        f"{name}.{part}"
        for name, module in online.named_modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
        for part in ("weight", "bias")
    }
    name_of = {id(parameter): name for name, parameter in online.named_parameters()}
    decay = {}
    for group in build_optimiser(online, SETTINGS[name]).param_groups:
        for parameter in group["params"]:
            assert id(parameter) in name_of
            assert name_of[id(parameter)] not in decay, "a parameter in two groups takes two steps"
            decay[name_of[id(parameter)]] = group["weight_decay"]
    assert decay.keys() == set(name_of.values()), "a parameter in no group never learns"
    for key, value in decay.items():
        assert value == (0 if key in norms or key.endswith(".bias") else 0.1), key
    assert {"projector.0.weight", "predictor.3.weight"} <= {key for key, value in decay.items() if value}
    assert {"projector.0.bias", "predictor.1.weight"} <= {key for key, value in decay.items() if not value}


def test_what_a_transformer_says_is_not_decayed_is_not_decayed(pretrain_with: PretrainWith) -> None:
    """timm names the class token and the positions, which have more than one dimension."""
    encoder = timm_network("test_vit", patch_size=4, depth=1)
    with torch.device("meta"):
        network = build_encoder(encoder, channels=1, side=8)
        byol = Byol.build_around(network, pretrain_with(encoder=encoder, head=Head(hidden=8, out=4)))
    plain = {id(parameter) for parameter in build_optimiser(byol, SETTINGS["adamw"]).param_groups[1]["params"]}
    more = {name for name, parameter in network.named_parameters() if id(parameter) in plain and parameter.ndim > 1}
    assert more == {"cls_token", "pos_embed"}


def test_what_does_not_learn_is_not_optimised() -> None:
    byol = build_byol()
    optimised = [
        parameter for group in build_optimiser(byol, SETTINGS["sgd"]).param_groups for parameter in group["params"]
    ]
    assert {id(parameter) for parameter in optimised} == {id(parameter) for parameter in byol.online.parameters()}


def take_steps(name: str, gradients: list[float], start: float) -> tuple[float, float]:
    """Train a weight and a bias that both begin at `start` with the same gradients, and return their final values."""
    layer = nn.Linear(1, 1).double()
    nn.init.constant_(layer.weight, start)
    nn.init.constant_(layer.bias, start)
    optimiser = build_optimiser(layer, SETTINGS[name])
    for gradient in gradients:
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        layer.bias.grad = torch.full_like(layer.bias, gradient)
        optimiser.step()
    return layer.weight.item(), layer.bias.item()


def adamw(value: float, gradients: list[float], *, rate: float, beta1: float, decay: float) -> float:
    """Take steps of AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) with beta2 0.999 and eps 1e-8."""
    first = second = 0.0
    for step, gradient in enumerate(gradients, start=1):
        value -= rate * decay * value
        first = beta1 * first + (1 - beta1) * gradient
        second = 0.999 * second + 0.001 * gradient**2
        value -= rate * (first / (1 - beta1**step)) / ((second / (1 - 0.999**step)) ** 0.5 + 1e-8)
    return value


def adam(value: float, gradients: list[float], *, rate: float, beta1: float, decay: float) -> float:
    """Take steps of Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1), beta2 0.999, eps 1e-8, decay in the gradient."""
    first = second = 0.0
    for step, gradient in enumerate(gradients, start=1):
        whole = gradient + decay * value
        first = beta1 * first + (1 - beta1) * whole
        second = 0.999 * second + 0.001 * whole**2
        value -= rate * (first / (1 - beta1**step)) / ((second / (1 - 0.999**step)) ** 0.5 + 1e-8)
    return value


def rmsprop(value: float, gradients: list[float], *, rate: float, momentum: float, decay: float) -> float:
    """Take steps of Tieleman & Hinton's lecture 6.5 with smoothing 0.99, eps 1e-8 and momentum of scaled gradients."""
    square = velocity = 0.0
    for gradient in gradients:
        whole = gradient + decay * value
        square = 0.99 * square + 0.01 * whole**2
        velocity = momentum * velocity + whole / (square**0.5 + 1e-8)
        value -= rate * velocity
    return value


def sgd(value: float, gradients: list[float], *, rate: float, momentum: float, decay: float) -> float:
    """Take steps of SGD with PyTorch's momentum: the buffer gathers gradients, not steps, and includes the decay."""
    velocity = 0.0
    for gradient in gradients:
        velocity = momentum * velocity + gradient + decay * value
        value -= rate * velocity
    return value


def test_adamw_takes_the_steps_of_its_paper() -> None:
    gradients = [0.5, -2.0, 0.1]
    weight, bias = take_steps("adamw", gradients, 3.0)
    assert weight == pytest.approx(adamw(3.0, gradients, rate=0.05, beta1=0.9, decay=0.1), rel=1e-12)
    assert bias == pytest.approx(adamw(3.0, gradients, rate=0.05, beta1=0.9, decay=0.0), rel=1e-12)


def test_adam_takes_the_steps_of_its_paper() -> None:
    gradients = [0.5, -2.0, 0.1]
    weight, bias = take_steps("adam", gradients, 3.0)
    assert weight == pytest.approx(adam(3.0, gradients, rate=0.05, beta1=0.9, decay=0.1), rel=1e-12)
    assert bias == pytest.approx(adam(3.0, gradients, rate=0.05, beta1=0.9, decay=0.0), rel=1e-12)
    assert weight != pytest.approx(adamw(3.0, gradients, rate=0.05, beta1=0.9, decay=0.1), rel=1e-3)


def test_rmsprop_takes_the_steps_of_its_lecture() -> None:
    """At the first step of the bias sqrt(0.01 * 0.25) = 0.05, so it becomes 3 - 0.05 * 0.5 / 0.05 = 2.5."""
    assert take_steps("rmsprop", [0.5], 3.0)[1] == pytest.approx(2.5, rel=1e-6)
    gradients = [0.5, -2.0, 0.1]
    weight, bias = take_steps("rmsprop", gradients, 3.0)
    assert weight == pytest.approx(rmsprop(3.0, gradients, rate=0.05, momentum=0.9, decay=0.1), rel=1e-12)
    assert bias == pytest.approx(rmsprop(3.0, gradients, rate=0.05, momentum=0.9, decay=0.0), rel=1e-12)


def test_sgd_takes_the_steps_worked_out_by_hand() -> None:
    """The first step makes the weight 3 - 0.05 * (0.5 + 0.1 * 3) = 2.96 and the bias 3 - 0.05 * 0.5 = 2.975."""
    assert take_steps("sgd", [0.5], 3.0) == pytest.approx((2.96, 2.975), rel=1e-12)
    gradients = [0.5, -2.0, 0.1]
    weight, bias = take_steps("sgd", gradients, 3.0)
    assert weight == pytest.approx(sgd(3.0, gradients, rate=0.05, momentum=0.9, decay=0.1), rel=1e-12)
    assert bias == pytest.approx(sgd(3.0, gradients, rate=0.05, momentum=0.9, decay=0.0), rel=1e-12)


def test_lars_adapts_what_it_decays_and_nothing_else() -> None:
    optimiser = build_optimiser(nn.Linear(3, 2), SETTINGS["lars"])
    assert isinstance(optimiser, LARS)
    assert [(group["adapt"], group["weight_decay"]) for group in optimiser.param_groups] == [(True, 0.1), (False, 0.0)]


def test_the_stated_rate_is_that_of_a_batch_of_256() -> None:
    """A rate of 0.2 becomes 3.2 for 4096 images, the paper's rate for its own batch."""
    paper = SETTINGS["lars"].model_copy(update={"learning_rate": 0.2})
    assert scale_learning_rate(paper, 4096) == pytest.approx(3.2)
    assert scale_learning_rate(paper, 256) == 0.2
    assert scale_learning_rate(paper, 64) == pytest.approx(0.05)


def list_rates(byol: Byol, optimiser: torch.optim.Optimizer) -> dict[str, float]:
    """List the rate of each parameter of the online network by its name."""
    names = {id(parameter): name for name, parameter in byol.online.named_parameters()}
    return {names[id(p)]: float(group["lr"]) for group in optimiser.param_groups for p in group["params"]}


@pytest.mark.parametrize("rate", [0.8, torch.tensor(0.8)], ids=["number", "tensor"])
@pytest.mark.parametrize("name", SETTINGS)
def test_each_layer_learns_at_the_rate_of_the_next_times_the_decay(name: str, rate: float | torch.Tensor) -> None:
    """The tiny network has a stem and two blocks; with a decay of a half they have 1/4, 1/2 and 1 of the rate."""
    byol = build_byol()
    optimiser = build_optimiser(
        byol, SETTINGS[name], compute_factors(byol.encoder, CARELESS.model_copy(update={"layer_decay": 0.5}))
    )
    set_rate(optimiser, rate)
    rates = list_rates(byol, optimiser)
    by_hand = {"encoder.0.": 0.2, "encoder.1.": 0.2, "encoder.3.": 0.4, "encoder.4.": 0.8, "projector": 0.8}
    expected = {
        key: next((value for begin, value in by_hand.items() if key.startswith(begin)), 0.8)
        for key, _ in byol.online.named_parameters()
    }
    assert rates == pytest.approx(expected)
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(rates), "two steps for one parameter"
    for group in optimiser.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}
        assert group.get("adapt", group["weight_decay"] > 0) is (group["weight_decay"] > 0)


@pytest.mark.parametrize("name", SETTINGS)
def test_without_a_decay_the_groups_are_those_of_a_training_from_nothing(name: str) -> None:
    """Their number, order and keys stand in every checkpoint."""
    byol = build_byol()
    optimiser = build_optimiser(byol, SETTINGS[name], compute_factors(byol.encoder, CARELESS))
    weights, others = optimiser.param_groups
    assert [id(p) for p in weights["params"]] == [id(p) for p in byol.online.parameters() if p.ndim > 1]
    assert [id(p) for p in others["params"]] == [id(p) for p in byol.online.parameters() if p.ndim <= 1]
    assert "factor" not in weights.keys() | others.keys()
    set_rate(optimiser, rate := torch.tensor(0.1))
    assert weights["lr"] is rate
    assert others["lr"] is rate


def test_a_clipped_trust_ratio_does_not_undo_the_decay_of_a_layer() -> None:
    """|w| = 3 and |u| = 4 make a trust of 0.02 * 3 / 4 = 0.015, less than the rate 0.05; half of it is 0.0075."""
    params = Lars(name="lars", momentum=0.0, trust_coefficient=0.02, trust_clip=True, **COMMON | {"weight_decay": 0.0})
    layer = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(layer.weight, 3.0)
    optimiser = build_optimiser(layer, params, {layer.weight: 0.5})
    layer.weight.grad = torch.full_like(layer.weight, 4.0)
    set_rate(optimiser, 0.05)
    optimiser.step()
    assert layer.weight.item() == pytest.approx(3 - 0.0075 * 4, rel=1e-12)
