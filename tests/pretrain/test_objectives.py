"""Every objective can be chosen, begins with the same encoder, and is told of nowhere but in its own files."""

import pytest
import torch
from torch import Tensor

from components.features.load import Config, untrained_encoder
from components.pretrain.loop import build_objective
from components.pretrain.params import OBJECTIVES
from tests.small import settings


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_seed_gives_the_same_bits_and_another_seed_other_ones(objective: str) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.rand(seed + 1)  # whatever was drawn before must not matter
        return build_objective(settings(objective=objective, seed=seed)).state_dict()

    once, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(once[name], again[name]) for name in once)
    drawn = [name for name, value in once.items() if value.ndim > 1]
    assert len(drawn) > 10
    assert all(not torch.equal(once[name], other[name]) for name in drawn)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_random_baseline_is_the_encoder_that_training_began_with(objective: str) -> None:
    """Otherwise the report would compare against another draw of the weights than the one that was trained."""
    params = settings(objective=objective, seed=5)
    began = build_objective(params).encoder.state_dict()
    config = Config(encoder=params.encoder, images=params.images, features=64, seed=5, provenance={})
    baseline = untrained_encoder(config).state_dict()
    assert began.keys() == baseline.keys()
    assert all(torch.equal(began[name], tensor) for name, tensor in baseline.items())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_that_learns_is_run_by_the_engine(objective: str) -> None:
    """Where several processes train, what it does not wrap would learn from one process's images alone."""
    made = build_objective(settings(objective=objective))
    run = {id(parameter) for network in made.networks.values() for parameter in network.parameters()}
    assert {id(parameter) for parameter in made.parameters()} == run
