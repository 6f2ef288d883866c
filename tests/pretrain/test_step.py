"""The ways in which a step is run: each gives what the definition gives, for every objective, optimiser and feed.

On a CPU a recorded step is one that runs again on the same places in memory, and the compiler is asked for its front
end alone, which decides whether a step can be followed at all. Where there is CUDA, all of it happens there as well.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd

from components.byol.objective import Byol
from components.learning import graph
from components.learning.engine import PLAIN, Way, start_engine
from components.learning.objective import Batch, ViewMaker, ViewSet
from components.learning.params import Adam, Optimiser, RmsProp
from components.learning.replicas import Replica
from components.pretrain.feeds.maker import ReadyMaker, build_batched_maker
from components.pretrain.loop import State, start_state, train
from components.pretrain.step import Compiled, define_loss, split_batch
from tests.conftest import EVERYTHING_OFF
from tests.pretrain.tiny import ADAMW, COSINE, LARS, SGD, SameViews, begin_training, build_article, build_byol
from tests.small import make_settings

SHARED: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": 1e-4, "warmup_epochs": 0.0, "decay": COSINE}
OPTIMISERS: dict[str, Optimiser] = {
    "sgd": SGD,
    "adamw": ADAMW,
    "lars": LARS,
    "lars-unclipped": LARS.model_copy(update={"trust_clip": False, "learning_rate": 0.05}),
    "adam": Adam(name="adam", beta1=0.9, beta2=0.999, **SHARED),
    "rmsprop": RmsProp(name="rmsprop", smoothing=0.99, momentum=0.9, **SHARED),
}
VIEW = EVERYTHING_OFF | {"crop_area": (0.3, 1.0), "rotate": 10.0, "jitter": 0.8, "contrast": 0.4, "noise": 0.05}
STILL_VIEWS = {"online": 2, "first": EVERYTHING_OFF, "second": {"solarise": 0.5}, "target": None}
TWO_VIEWS = {"online": 2, "first": VIEW, "second": {"blur": 0.5}, "target": None}
MANY_VIEWS = TWO_VIEWS | {"online": 3, "target": {"count": 2, "jitter": 0.0, "noise": 0.0}}
WAYS = [Way(compiled=True, recorded=False), Way(compiled=False, recorded=True), Way(compiled=True, recorded=True)]
BATCH, STEPS = 6, graph.WARM_UP + 3
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Stand in on a CPU for what it lacks."""
    torch.compiler.reset()
    if request.param == "cpu":
        monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
        monkeypatch.setattr(graph, "record_graph", lambda stream, work: work)
    return torch.device(request.param)


class NumberedFeed:
    """A feed of one epoch, whose batches are random images, or as many views if its maker takes views."""

    steps_per_epoch = STEPS

    def __init__(self, maker: ViewMaker, device: torch.device, parts: int) -> None:
        self.maker, self.device, self.parts = maker, device, parts

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches from this step on."""
        for number in range(step, step - step % STEPS + STEPS):
            generator = torch.Generator().manual_seed(number)
            shape = (self.parts, BATCH, 1, 8, 8)
            yield tuple(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(self.device))


def run(
    way: Way, device: torch.device, *, objective: str = "byol", optimiser: str = "sgd", parts: int = 1, **changes: Any
) -> dict[str, Tensor]:
    """Train for an epoch in the given way; return its losses and what the training leaves."""
    changes = {"views": TWO_VIEWS, "batch_size": BATCH, "epochs": 1, "tau_base": 0.9} | changes
    params = make_settings(**changes).model_copy(update={"optimiser": OPTIMISERS[optimiser]})
    built = (build_byol() if objective == "byol" else build_article()).to(device).double()
    state = start_state(built, params, steps_per_epoch=STEPS)
    engine = start_engine(built.networks, params, device, Replica(0, 1), way)
    alone = Replica(0, 1)
    maker = build_batched_maker(params, device, alone) if parts == 1 else ReadyMaker(params.views, params.images)
    make = maker.make
    maker.make = lambda *given: ViewSet(*(tuple(view.double() for view in views) for views in make(*given)))
    kept: dict[str, Tensor] = {}

    def keep_losses(state: State, _: Any) -> None:
        kept["losses"] = state.losses.cpu().clone()

    train(state, engine, NumberedFeed(maker, device, parts), params, on_step=lambda _: None, on_epoch=keep_losses)
    return kept | {name: value.cpu() for name, value in built.state_dict().items()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """The ways differ in the rounding of views and rates, which are float32."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("objective", ["byol", "article"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_compiled_and_recorded_steps_give_the_losses_and_weights_of_the_definition(
    optimiser: str, objective: str, device: torch.device
) -> None:
    how = {"objective": objective, "optimiser": optimiser, "views": STILL_VIEWS}
    assert_same(run(Way(compiled=True, recorded=True), device, **how), run(PLAIN, device, **how))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_more_views_and_views_of_the_targets_own_are_followed_too(way: Way, device: torch.device) -> None:
    assert_same(run(way, device, views=MANY_VIEWS), run(PLAIN, device, views=MANY_VIEWS))


def test_a_careful_training_is_followed_too(device: torch.device) -> None:
    """The heads alone are one recording, the whole another; rates, anchor and still norms are in them."""
    care = {"layer_decay": 0.5, "frozen_layers": 1, "norms": "frozen", "anchor": 0.5, "head_epochs": 1}
    how = {"optimiser": "adamw", "views": STILL_VIEWS, "epochs": 2, "continuing": care}
    how["start"] = {"kind": "champion"}
    assert_same(run(Way(compiled=True, recorded=True), device, **how), run(PLAIN, device, **how))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_views_that_a_stream_has_made_are_followed_too(way: Way, device: torch.device) -> None:
    assert_same(run(way, device, parts=2), run(PLAIN, device, parts=2))


@pytest.mark.parametrize(("way", "parts"), [(WAYS[2], 1), (WAYS[1], 2)], ids=str)
def test_a_batch_in_parts_is_followed_too(way: Way, parts: int, device: torch.device) -> None:
    """A graph holds all parts: gradients that are left from the step before, or lost between parts, would show."""
    how: dict[str, Any] = {"accumulate": 3, "parts": parts, "views": TWO_VIEWS}
    assert_same(run(way, device, **how), run(PLAIN, device, **how))


@pytest.mark.parametrize(("objective", "accumulate"), [("byol", 1), ("article", 1), ("byol", 3)])
def test_no_part_after_the_first_is_compiled_anew(objective: str, accumulate: int, device: torch.device) -> None:
    """Another compilation in the middle of a run, as after a reading, takes as long as some epochs."""
    params = make_settings(views=TWO_VIEWS, batch_size=BATCH)
    built = (build_byol() if objective == "byol" else build_article()).to(device)
    engine = start_engine(built.networks, params, device, Replica(0, 1), Way(compiled=True, recorded=False))
    maker = build_batched_maker(params, device, Replica(0, 1))
    compute_loss = define_loss(built, maker, engine)
    images = torch.zeros(BATCH, 1, 8, 8, dtype=torch.uint8, device=device)
    for step in range(3):
        for number, part in enumerate(split_batch((images + step,), maker.draw(step), maker, accumulate)):
            with torch.compiler.set_stance("default" if step == number == 0 else "fail_on_recompile"):
                compute_loss(*part).total.backward()
        built.zero_grad(set_to_none=True)
        built.eval()
        built.train()


def test_a_backward_pass_that_cannot_be_compiled_is_told_at_once_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is compiled when it is first needed, unless asked for: the run would end there."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError("no kernel for this")

    broken = aot_autograd(fw_compiler=make_boxed_func_of, bw_compiler=refuse)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=broken))
    torch.compiler.reset()
    weight = torch.ones(3, requires_grad=True)
    function = Compiled(lambda values: (values * weight).sum())
    function(torch.ones(3)).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [1, 1, 1]
    assert "not compiled, since the compiler failed: " in capsys.readouterr().out


def make_boxed_func_of(module: Any, _: Any) -> Any:
    """Compile a graph into itself."""
    return make_boxed_func(module.forward)


def test_what_the_compiler_cannot_follow_runs_without_it_and_is_named(
    capsys: pytest.CaptureFixture[str], device: torch.device
) -> None:
    def look_at_numbers(values: Tensor) -> Tensor:
        return values * 2 if float(values.sum()) > 0 else values

    function = Compiled(look_at_numbers)
    ones = torch.ones(3, device=device)
    assert function(ones).tolist() == function(ones).tolist() == [2, 2, 2]
    printed = capsys.readouterr().out
    assert printed.startswith("pretrain: not compiled, since the compiler failed: ")
    assert printed.count("\n") == 1


def test_a_mistake_of_the_step_itself_is_not_taken_for_the_compilers(device: torch.device) -> None:
    def divide(values: Tensor) -> Tensor:
        raise ZeroDivisionError("by hand")

    with pytest.raises(ZeroDivisionError, match="by hand"):
        Compiled(divide)(torch.ones(1, device=device))


def test_a_step_that_cannot_be_recorded_goes_on_without_a_graph(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: torch.device
) -> None:
    """On CUDA the step asks for a number, which no graph can hold; afterwards all is as before, but for the graph."""
    expected = run(PLAIN, device)
    loss = Byol.loss

    def look_at_loss(self: Byol, *given: Any) -> Any:
        found = loss(self, *given)
        float(found.total.detach())
        return found

    def refuse(stream: Any, work: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    with monkeypatch.context() as patch:
        patch.setattr(Byol, "loss", look_at_loss)
        if device.type == "cpu":
            patch.setattr(graph, "record_graph", refuse)
        before = torch.cuda.current_stream() if device.type == "cuda" else None
        assert_same(run(Way(compiled=False, recorded=True), device), expected)
        assert before is None or torch.cuda.current_stream() == before
    printed = capsys.readouterr().out
    assert printed.count("no CUDA graph") == 1
    assert ", line " in printed
    assert "captur" in printed
    assert_same(run(Way(compiled=False, recorded=True), device), expected)
    assert "no CUDA graph" not in capsys.readouterr().out


def test_the_rate_of_every_step_reaches_a_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that is recorded as a number would stay for the whole run what it was at the recording."""
    monkeypatch.setattr(graph, "record_graph", lambda stream, work: work)
    params = make_settings(batch_size=256, epochs=1).model_copy(update={"optimiser": SGD})
    state, engine = begin_training(params, steps_per_epoch=STEPS, way=Way(compiled=False, recorded=True))

    class FloatFeed(NumberedFeed):
        """A feed whose batches are views already."""

        def batches(self, step: int) -> Iterator[Batch]:
            """Yield the batches from this step on."""
            yield from (tuple(part.float() for part in batch) for batch in super().batches(step))

    rates: list[float] = []
    step = state.optimiser.step

    def note_rate() -> None:
        rates.append(float(state.optimiser.param_groups[0]["lr"]))
        step()

    state.optimiser.step = note_rate  # type: ignore[method-assign,assignment]
    feed = FloatFeed(SameViews(), torch.device("cpu"), 2)
    train(state, engine, feed, params, on_step=lambda _: None, on_epoch=lambda *_: None)
    expected = [SGD.learning_rate * (1 + math.cos(math.pi * step / STEPS)) / 2 for step in range(STEPS)]
    assert rates == pytest.approx(expected)
