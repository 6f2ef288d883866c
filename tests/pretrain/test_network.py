"""A network that cannot be trained is named before any work, and what it draws while it trains can be drawn again."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from components.byol.params import Head
from components.encoder.params import OwnNetwork
from components.learning.engine import start_engine
from components.learning.replicas import ALONE
from components.pretrain.loop import State, build_state, remember, restore, train
from components.pretrain.network import check_network, leave_out_unused
from components.pretrain.params import Pretrain
from components.stage.__main__ import check_further
from components.stage.errors import InputError
from tests.encoder.test_from_own import Write, write  # noqa: F401  (a fixture)
from tests.encoder.test_from_timm import timm_network
from tests.pretrain.test_loop import FixedFeed
from tests.pretrain.tiny import ADAMW, CPU, LARS, PretrainWith
from tests.small import make_settings

VIT = timm_network("test_vit", patch_size=4, depth=2, drop_path_rate=0.5, proj_drop_rate=0.2)
HEAD = Head(hidden=8, out=4)


def test_lars_and_a_transformer_are_refused_and_other_pairs_are_not(pretrain_with: PretrainWith) -> None:
    said = "pretrain.optimiser.name: lars makes transformers such as test_vit of timm"
    with pytest.raises(InputError, match=said) as caught:
        check_network(pretrain_with(encoder=VIT, optimiser=LARS))
    assert "\n" not in str(caught.value)
    check_network(pretrain_with(encoder=VIT, optimiser=ADAMW))
    check_network(pretrain_with(encoder=timm_network("test_resnet"), optimiser=LARS))


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (timm_network("test_resne"), "params.yaml: pretrain.encoder.model: timm has no 'test_resne'; did you mean"),
        (timm_network("test_resnet", frozen=True), "pretrain.encoder.frozen_patch_embedding: test_resnet has no"),
        (timm_network("test_vit", patch_size=3), "pretrain.encoder: test_vit cuts patches of 3 pixels"),
    ],
)
def test_what_is_wrong_with_the_network_is_named_with_its_key(
    encoder: object, said: str, pretrain_with: PretrainWith
) -> None:
    with pytest.raises(InputError, match=said):
        check_network(pretrain_with(encoder=encoder))


def test_the_check_of_params_looks_at_the_network_before_the_images_are_fetched(pretrain_with: PretrainWith) -> None:
    with pytest.raises(InputError, match="timm has no 'test_resne'"):
        check_further(SimpleNamespace(pretrain=pretrain_with(encoder=timm_network("test_resne"))))


def test_the_check_of_params_counts_the_layers_before_the_images_are_fetched() -> None:
    with pytest.raises(InputError, match=r"continuing\.frozen_layers: 99, but this encoder has"):
        check_further(SimpleNamespace(pretrain=make_settings(continuing__frozen_layers=99)))


def test_a_network_without_weights_is_refused(write: Write, pretrain_with: PretrainWith) -> None:  # noqa: F811
    params = write("from torch import nn\ndef build(*, channels, side, width):\n    return nn.Flatten()")
    with pytest.raises(InputError, match="build has no weights that learn"):
        check_network(pretrain_with(encoder=params))


def run(params: Pretrain, state: State) -> list[dict[str, Any]]:
    """Train to the end; return what a checkpoint after each step would hold."""
    saved: list[dict[str, Any]] = []
    engine = start_engine(state.objective.networks, params, CPU, ALONE)
    keep = lambda state: saved.append(copy.deepcopy(remember(state)))  # noqa: E731
    train(state, engine, FixedFeed(), params, on_step=keep, on_epoch=lambda *_: None)
    return saved


def test_a_run_with_dropout_goes_on_with_the_same_bits(pretrain_with: PretrainWith) -> None:
    """What a step drops depends on the seed and the step alone; the state of the generator is in no checkpoint."""
    params = pretrain_with(encoder=VIT, head=HEAD, optimiser=ADAMW, epochs=2, batch_size=6)
    whole, later = (build_state(params, CPU, ALONE, steps_per_epoch=2) for _ in range(2))
    saved = run(params, whole)
    restore(later, saved[2])
    torch.rand(7)
    run(params, later)
    for expected, found in zip(whole.objective.parameters(), later.objective.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_held_patch_embedding_stays_as_drawn_in_both_networks(pretrain_with: PretrainWith) -> None:
    encoder = timm_network("test_vit", frozen=True, patch_size=4, depth=1)
    params = pretrain_with(encoder=encoder, head=HEAD, optimiser=ADAMW, epochs=2, batch_size=6)
    state = build_state(params, CPU, ALONE, steps_per_epoch=2)
    before = {name: tensor.clone() for name, tensor in state.objective.state_dict().items()}
    run(params, state)
    same = {name for name, tensor in state.objective.state_dict().items() if torch.equal(tensor, before[name])}
    networks = ("online.encoder", "target.0")
    assert same == {f"{network}.patch_embed.proj.{part}" for network in networks for part in ("weight", "bias")}


class Spare(nn.Module):
    """A network with a layer that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(64, 4), nn.Linear(4, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # noqa: D102
        features: torch.Tensor = self.used(images.flatten(1))
        return features


def test_no_process_waits_for_the_gradient_of_what_is_not_used(pretrain_with: PretrainWith) -> None:
    network, encoder = Spare(), OwnNetwork(name="own", function="components.encoder.own.mine.build", arguments={})
    leave_out_unused(network, encoder, pretrain_with().images)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"used.weight", "used.bias"}
