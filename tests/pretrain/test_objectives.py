"""Every objective can be chosen by name and begins with the same encoder."""

import pytest
import torch
from torch import Tensor

from components.features.load import Config, build_untrained_encoder
from components.pretrain.loop import build_objective
from components.pretrain.params import OBJECTIVES, dump_used
from tests.small import make_settings


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_seed_gives_the_same_bits_and_another_seed_other_ones(objective: str) -> None:
    def build_weights(seed: int) -> dict[str, Tensor]:
        torch.rand(seed + 1)  # whatever was drawn before must not matter
        return build_objective(make_settings(objective=objective, seed=seed)).state_dict()

    first, repeat, reseeded = build_weights(3), build_weights(3), build_weights(4)
    assert all(torch.equal(first[name], repeat[name]) for name in first)
    drawn = [name for name, value in first.items() if value.ndim > 1]
    assert len(drawn) > 5
    assert all(not torch.equal(first[name], reseeded[name]) for name in drawn)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_random_baseline_is_the_encoder_that_training_began_with(objective: str) -> None:
    """Otherwise the report would compare with other weights than those that the training began with."""
    params = make_settings(objective=objective, seed=5)
    began = build_objective(params).encoder.state_dict()
    config = Config(encoder=params.encoder, images=params.images, features=64, seed=5, provenance={})
    baseline = build_untrained_encoder(config).state_dict()
    assert began.keys() == baseline.keys()
    assert all(torch.equal(began[name], tensor) for name, tensor in baseline.items())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_that_learns_is_run_by_the_engine(objective: str) -> None:
    """Over several processes, a network that the engine does not run would learn from one process's images alone."""
    built = build_objective(make_settings(objective=objective))
    run = {id(parameter) for network in built.networks.values() for parameter in network.parameters()}
    assert {id(parameter) for parameter in built.parameters()} == run


def test_the_settings_of_an_objective_that_is_not_in_use_are_no_part_of_a_run() -> None:
    """Otherwise config.json, and with it all that comes after, would change with a weight that nobody used."""
    keys = {objective: dump_used(make_settings(objective=objective)).keys() for objective in ("byol", "article")}
    assert keys["byol"] ^ keys["article"] == {"head", "tau_base", "tau_hold", "article"}
    assert {"head", "tau_base", "tau_hold"} <= keys["byol"]
