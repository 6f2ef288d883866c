"""What is kept still in a training keeps its bits, statistics included, in BYOL's target too; the rest moves."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from components.byol.objective import Byol, Online, build_head
from components.learning.objective import Batch, Objective
from components.learning.params import Optimiser
from components.pretrain.loop import State, check_learning, train
from components.stage.errors import InputError
from tests.pretrain.tiny import ADAMW, HEAD, LARS, SGD, SameViews, begin_training, build_byol, draw_pairs
from tests.small import make_settings

START = {"kind": "champion"}
STEM = ("0.", "1.")  # the first layer of the tiny network: a convolution and its norm


class PairFeed:
    """A feed of the same two batches every epoch."""

    steps_per_epoch = 2
    maker = SameViews()

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches from this step to the end of its epoch."""
        yield from draw_pairs(2)[step % 2 :]


def copy_tensors(objective: Objective) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in objective.state_dict().items()}


def train_byol(optimiser: Optimiser, **continuing: Any) -> list[dict[str, Tensor]]:
    """Train for two epochs, with a reading after each; return all tensors before, after one and after both."""
    changes = {f"continuing__{key}": value for key, value in continuing.items()}
    params = make_settings(batch_size=256, epochs=2, tau_base=0.9, start=START, **changes)
    params = params.model_copy(update={"optimiser": optimiser})
    state, engine = begin_training(params, steps_per_epoch=2)
    seen = [copy_tensors(state.objective)]

    def read(state: State, _: Any) -> None:
        state.objective.eval()
        state.objective.train()
        seen.append(copy_tensors(state.objective))

    train(state, engine, PairFeed(), params, on_step=lambda _: None, on_epoch=read)
    return seen


def list_moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def list_encoder(names: dict[str, Tensor], *begins: str) -> set[str]:
    """List the tensors of the encoder, and of its follower, whose names in the encoder begin so."""
    prefixes = [f"{network}{begin}" for network in ("online.encoder.", "target.0.") for begin in begins or ("",)]
    return {name for name in names if name.startswith(tuple(prefixes))}


@pytest.mark.parametrize("optimiser", [SGD, ADAMW, LARS], ids=lambda params: params.name)
def test_frozen_layers_keep_their_bits_and_all_others_move(optimiser: Optimiser) -> None:
    before, _, after = train_byol(optimiser, frozen_layers=1)
    assert list_moved(before, after) == set(before) - list_encoder(before, *STEM)


class Tokens(nn.Module):
    """A network with a tensor of its own, as a ViT's class token, which belongs to its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(64))
        self.first, self.second = nn.Linear(64, 16), nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(), nn.Linear(16, 16))

    def forward(self, images: Tensor) -> Tensor:
        """Embed images: (B, 1, 8, 8) -> (B, 16)."""
        features: Tensor = self.second(self.first(images.flatten(1) + self.token))
        return features


def test_layers_after_frozen_ones_train_also_where_the_network_holds_a_token() -> None:
    """Their dropout works, and their norms go by the batch."""
    byol = Byol(Online(Tokens(), build_head(16, HEAD), build_head(HEAD.out, HEAD)), tau_base=0.9, tau_hold=0.0)
    state, _ = begin_training(make_settings(continuing__frozen_layers=1), objective=byol)
    encoder = state.objective.encoder
    assert isinstance(encoder, Tokens)
    assert not encoder.token.requires_grad
    assert not encoder.first.training
    assert encoder.second[1].training
    assert encoder.second[2].training


def test_frozen_norms_keep_their_statistics_and_learn_all_the_same() -> None:
    before, _, after = train_byol(SGD, norms="frozen")
    statistics = {name for name in list_encoder(before) if "running" in name or "tracked" in name}
    assert statistics
    assert list_moved(before, after) == set(before) - statistics


def test_frozen_norms_see_an_image_alike_in_every_batch() -> None:
    """It is for batches that differ from those of the start: an image's features hang on no other image."""
    params = make_settings(continuing__norms="frozen", start=START)
    byol = begin_training(params)[0].objective.train()
    (images, _), *_ = draw_pairs(1)
    torch.testing.assert_close(byol.encoder(images)[:3], byol.encoder(images[:3]))
    assert byol.online.projector.training  # type: ignore[union-attr]


@pytest.mark.parametrize("optimiser", [SGD, ADAMW, LARS], ids=lambda params: params.name)
@pytest.mark.parametrize("others", [{}, {"anchor": 0.5, "layer_decay": 0.5}], ids=["alone", "with others"])
def test_the_encoder_waits_until_the_heads_have_learned(optimiser: Optimiser, others: dict[str, float]) -> None:
    """Neither decay, momentum nor the moving average moves it, and its norms note nothing."""
    before, between, after = train_byol(optimiser, head_epochs=1, **others)
    assert list_moved(before, between) == set(before) - list_encoder(before)
    assert list_moved(between, after) == set(before)


def test_the_heads_meet_the_features_that_will_come() -> None:
    """The first loss is that of a training in which all learns: the norms run as they will."""
    losses = []
    for head_epochs in (0, 1):
        params = make_settings(batch_size=256, epochs=2, continuing__head_epochs=head_epochs, start=START)
        state, engine = begin_training(params, steps_per_epoch=2)
        train(
            state,
            engine,
            PairFeed(),
            params,
            on_step=lambda state: losses.append(float(state.losses[0, 0])) if state.step == 1 else None,
            on_epoch=lambda *_: None,
        )
    assert losses[0] == losses[1]


def test_an_anchor_holds_the_encoder_nearer_to_where_it_began() -> None:
    def measure_way(anchor: float) -> float:
        before, _, after = train_byol(SGD, anchor=anchor)
        names = [name for name in before if name.startswith("online.encoder.") and name.endswith("weight")]
        return sum(float((after[name] - before[name]).norm()) for name in names)

    assert measure_way(5.0) < 0.9 * measure_way(0.0)


@pytest.mark.parametrize("objective", ["byol", "article"])
def test_as_many_frozen_layers_as_there_are_is_one_line_before_any_work(objective: str) -> None:
    params = make_settings(objective=objective, encoder__widths=(4, 8), continuing__frozen_layers=3)
    with pytest.raises(InputError, match=r"^params.yaml: pretrain.continuing.frozen_layers: 3, .* at most 2$"):
        check_learning(params)
    check_learning(params.model_copy(update={"continuing": params.continuing.model_copy(update={"frozen_layers": 2})}))


def test_heads_first_where_there_are_none_is_one_line() -> None:
    weights = {"reconstruction": 0.0, "centre": 1.0, "contrastive": 0.0, "adversarial": 0.0}
    params = make_settings(objective="article", article=weights, continuing__head_epochs=1, start=START)
    with pytest.raises(InputError, match=r"^params.yaml: pretrain.continuing.head_epochs: .*; say 0$"):
        check_learning(params)


@pytest.mark.parametrize(("key", "value"), [("norms", "frozen"), ("anchor", 0.5), ("head_epochs", 1)])
def test_what_holds_on_to_a_start_is_refused_where_there_is_none(key: str, value: Any) -> None:
    change = {f"continuing__{key}": value}
    with pytest.raises(ValueError, match=rf"continuing\.{key}: {value} .* start\.kind is none; name a start, or say "):
        make_settings(**change)
    assert make_settings(start=START, **change).start.kind == "champion"


def test_heads_alone_to_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"continuing.head_epochs: 3 of 3 leave the encoder none; at most 2"):
        make_settings(epochs=3, continuing__head_epochs=3)
    assert isinstance(build_byol().followers[0], torch.nn.Module)
