"""The section `pretrain` of params.yaml: the stage's own settings and those of every training (learning/params.py).

The section holds the settings of every objective side by side, so that one word changes the objective. Their types are
found by name, in the rooms of components/ whose params.py names an `OBJECTIVE`: editing an objective that is not in use
makes no stage stale.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from components.learning.params import Training
from components.stage.rooms import find_in_rooms
from components.stage.shown import show
from components.stage.types import Count, Epochs, Launcher, NotNegative, Params, Several, Share, Temperature

Loaders = Annotated[int, Field(ge=0, le=1024)]
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
    knn_queries: Queries  # held-out train images that an online kNN classifies; 0 leaves it out
    knn_bank: Count  # at most this many train images vote
    knn_k: Count
    knn_temperature: Temperature
    loggers: Annotated[tuple[Literal["dvclive", "tensorboard"], ...], Field(strict=False, max_length=2)]


def _check_objective(name: str) -> str:
    if name not in OBJECTIVES:
        raise ValueError(f"one of {', '.join(OBJECTIVES)}, not {show(name)}")
    return name


class Pretrain(Training):
    """Everything that decides the encoder, given the images."""

    objective: Annotated[str, Field(max_length=100), AfterValidator(_check_objective)]
    launcher: Launcher
    checkpoint_seconds: NotNegative  # between two checkpoints
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


def dump_used(params: Pretrain) -> dict[str, Any]:
    """Return the settings that decide a run, as JSON has them: without those of objectives that are not in use."""
    unused = {
        key for name, settings in OBJECTIVES.items() if name != params.objective for key in settings.__annotations__
    }
    return params.model_dump(mode="json", exclude=unused)


OBJECTIVES: dict[str, Any] = find_in_rooms("OBJECTIVE")  # parameter class by the name that `pretrain.objective` takes
KEYS = [key for settings in (Pretrain, *OBJECTIVES.values()) for key in settings.__annotations__ if key != "objective"]
assert len(set(KEYS)) == len(KEYS), f"two rooms define the same key of `pretrain`, among {sorted(KEYS)}"
WholePretrain = create_model("WholePretrain", __base__=(Pretrain, *OBJECTIVES.values()), __module__=__name__)
SECTIONS = {"pretrain": WholePretrain}
