"""The section `pretrain` of params.yaml: the stage's own settings and those of every training (learning/params.py).

The section holds the settings of every objective side by side, so that one word changes the objective. Their types are
found by name, in the rooms of components/ whose params.py names an `OBJECTIVE`: editing an objective that is not in use
makes no stage stale.
"""

import importlib
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from components.learning.params import Training
from components.stage.rooms import find_in_rooms
from components.stage.shown import show
from components.stage.types import (
    Count,
    Epochs,
    Launcher,
    NotNegative,
    Params,
    Probability,
    Several,
    Share,
    Temperature,
)

Loaders = Annotated[int, Field(ge=0, le=1024)]
PublishedName = Annotated[str, Field(max_length=200, pattern=r"^[\w.-]+$")]  # a name that a library gives
Queries = Annotated[int, Field(ge=0, le=10**9)]


class FeedParams(Params):
    """Where the images lie during the training, and what makes their views."""

    kind: Literal["auto", "resident", "streaming"]
    resident_share: Share  # of the device's free memory: `auto` is resident if the decoded images take no more
    executor: Literal["batched", "albumentations"]
    workers: Loaders  # processes that decode, when streaming; 0 decodes in the training process
    shuffle_images: Count  # images that a worker shuffles at a time, when streaming

    @model_validator(mode="after")
    def _check_executor_of_resident_feed(self) -> Self:
        if self.kind == "resident" and self.executor == "albumentations":
            raise ValueError("executor: a resident feed makes its views on the device; say batched, or streaming")
        return self


class Watch(Params):
    """The measurements during the run, and the logs that get them."""

    every_epochs: Epochs
    sample: Several  # images, always the same, from whose features the encoder's health is measured
    collapse: NotNegative  # the run stops when the spread that the objective watches falls below this; 0 never stops it
    fall: Probability  # the run stops when the kNN falls so far below that of the start, if any; 0 never stops it
    knn_queries: Queries  # held-out train images that an online kNN classifies; 0 leaves it out
    knn_bank: Count  # at most this many train images vote
    knn_k: Count
    knn_temperature: Temperature
    loggers: Annotated[tuple[Literal["dvclive", "tensorboard"], ...], Field(strict=False, max_length=2)]

    @model_validator(mode="after")
    def _check_fall(self) -> Self:
        if self.fall and not self.knn_queries:
            raise ValueError("fall: it is the kNN that falls, and knn_queries: 0 leaves it out; say fall: 0")
        return self


class NoStart(Params):
    """All weights are drawn at random."""

    kind: Literal["none"]


class ChampionStart(Params):
    """The weights of the encoder in production, which `python -m pipelines.registry start` brings."""

    kind: Literal["champion"]


class FileStart(Params):
    """A file of weights: safetensors, or a state_dict that torch.save wrote."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00\n]+$")]  # relative to the project


class TorchvisionStart(Params):
    """Weights that torchvision publishes, by their names there."""

    kind: Literal["torchvision"]
    model: PublishedName
    weights: PublishedName


class TimmStart(Params):
    """Weights that timm publishes, by the name of their model."""

    kind: Literal["timm"]
    model: PublishedName


Start = Annotated[NoStart | ChampionStart | FileStart | TorchvisionStart | TimmStart, Field(discriminator="kind")]


def _check_objective(name: str) -> str:
    if name not in OBJECTIVES:
        raise ValueError(f"one of {', '.join(OBJECTIVES)}, not {show(name)}")
    return name


class Pretrain(Training):
    """Everything that decides the encoder, given the images."""

    objective: Annotated[str, Field(max_length=100), AfterValidator(_check_objective)]
    launcher: Launcher
    checkpoint_seconds: NotNegative  # between two checkpoints
    start: Start  # what the encoder's weights are before the first step
    feed: FeedParams
    watch: Watch

    @model_validator(mode="after")
    def _check_executor(self) -> Self:
        images = self.images
        usual = images.channels in (1, 3) and images.colours is None and not images.deep
        if self.feed.executor == "albumentations" and not usual:
            raise ValueError(
                "feed.executor: albumentations knows only 1 or 3 channels of 8 bits, without images.range or "
                "images.colours; say batched"
            )
        return self

    @model_validator(mode="after")
    def _check_care(self) -> Self:
        neutral = {"norms": "batch", "anchor": 0, "head_epochs": 0}
        for key, nothing in neutral.items() if self.start.kind == "none" else ():
            if (value := getattr(self.continuing, key)) != nothing:
                raise ValueError(
                    f"continuing.{key}: {value} would hold on to random weights, as start.kind is none; name a start, "
                    f"or say {nothing}"
                )
        return self


def dump_used(params: Pretrain) -> dict[str, Any]:
    """Return the settings that decide a run, as JSON has them: without those of objectives that are not in use."""
    unused = {
        key for name, settings in OBJECTIVES.items() if name != params.objective for key in settings.__annotations__
    }
    return params.model_dump(mode="json", exclude=unused)


def check_built(params: Pretrain) -> None:
    """Check what only the built network tells, as the stage will. Most settings are not worth the seconds of an import.

    Raises InputError.
    """
    if params.encoder.name in ("timm", "own"):
        importlib.import_module("components.pretrain.network").check_network(params)
    if params.continuing.frozen_layers or params.continuing.head_epochs:
        importlib.import_module("components.pretrain.loop").check_learning(params)


OBJECTIVES: dict[str, Any] = find_in_rooms("OBJECTIVE")  # parameter class by the name that `pretrain.objective` takes
KEYS = [key for settings in (Pretrain, *OBJECTIVES.values()) for key in settings.__annotations__ if key != "objective"]
assert len(set(KEYS)) == len(KEYS), f"two rooms define the same key of `pretrain`, among {sorted(KEYS)}"
WholePretrain = create_model("WholePretrain", __base__=(Pretrain, *OBJECTIVES.values()), __module__=__name__)
SECTIONS = {"pretrain": WholePretrain}
CHECKS = {"pretrain": check_built}
