"""Fits settings to the images that the stage fetch found: `python -m presets photos --from metrics/data.json`.

Statistics and channels are taken as they are. Side, batch and views only become smaller or weaker than the presets say,
and a run only becomes longer, where the images are small or few. The floor of the gate is what a guess reaches.
"""

import json
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from ruamel.yaml.comments import CommentedSeq

from components.stage.errors import InputError

SMALLEST_SIDE = 8  # as pretrain.images allows
BLURRED_ABOVE = 64  # pixels; on fewer, blur leaves little of an image: presets/views/cifar.yaml
FEWEST_STEPS_PER_EPOCH = 3
FEWEST_STEPS = 1000  # of a run; the demo takes 1,040
SHORT_PART = 10  # of a run that was made longer: this part is its warm-up, and so often it is measured
CLASSIFIERS = ("knn", "linear", "logistic")  # their accuracy is compared with a guess


class Axis(BaseModel):
    """The widths or heights of the images."""

    median: int = Field(gt=0)


class Sizes(BaseModel):
    """The sizes of the images."""

    width: Axis
    height: Axis


class Channels(BaseModel):
    """The statistics of the images to train on: one number each if all are gray, else one per channel."""

    range: list[int] | None = None  # of images with more than 8 bits, or other channels than gray and RGB
    mean: list[float] = Field(min_length=1)
    std: list[float] = Field(min_length=1)


class ClassCount(BaseModel):
    """How many images of a class there are."""

    test: int


class Found(BaseModel):
    """Holds the part of what the stage fetch found that settings are fitted to."""

    train: int
    unlabelled: int
    sources: dict[str, int]
    by_class: list[ClassCount]
    sizes: Sizes
    channels: Channels

    @property
    def to_train_on(self) -> int:
        """The number of images that the encoder learns from."""
        return self.train + self.unlabelled

    @property
    def shorter_side(self) -> int:
        """The shorter side of an image of median size."""
        return min(self.sizes.width.median, self.sizes.height.median)


def read_found(path: Path) -> Found:
    """Read what fetch found. Raises InputError if the file is not one that fetch writes."""
    try:
        return Found.model_validate(json.loads(path.read_text()))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValueError as error:  # no text, no JSON, or other keys
        slip = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"{'.'.join(map(str, slip['loc']))}: {slip['msg']}" if slip else "not JSON"
    raise InputError(f"{path}: {reason}; name the file that `dvc repro fetch` writes, metrics/data.json")


def fit_to_images(whole: Any, found: Found, path: Path) -> str:
    """Fit the content of params.yaml, and say in a line how. Raises InputError if other images were found."""
    check_sources(whole["data"]["sources"], found, path)
    pretrain = whole["pretrain"]
    fit_input(pretrain["images"], found)
    fit_patches(pretrain["images"], pretrain["encoder"])
    fit_views(pretrain["views"], side=pretrain["images"]["side"], colours=len(found.channels.mean) == 3)
    fit_length(pretrain, found.to_train_on)
    fit_votes(whole["evaluate"]["knn"], pretrain["watch"], found)
    fit_floor(whole["promote"], found)
    images, sizes, channels = pretrain["images"], found.sizes, len(pretrain["images"]["mean"])
    return (
        f"{path}: {found.to_train_on:,} images to train on, the median image of "
        f"{sizes.width.median} x {sizes.height.median} pixels: side {images['side']}, "
        f"{channels} channel{'s' * (channels > 1)}, batches of {pretrain['batch_size']}, {pretrain['epochs']} epochs"
    )


def check_sources(sources: list[Any], found: Found, path: Path) -> None:
    """Check that the images found are those that params.yaml now names. Raises InputError."""
    named = [source.get("name", source["kind"]) for source in sources]
    others = [name for name in found.sources if name not in named]
    if others:
        raise InputError(
            f"{path}: has the images of {', '.join(others)}, and data.sources in params.yaml names {', '.join(named)}: "
            "run `dvc repro fetch` first"
        )


def fit_input(images: Any, found: Found) -> None:
    """Take the images' statistics, and make no image larger than it is; a channel for alpha stays."""
    has_alpha = len(images["mean"]) in (2, 4) and len(found.channels.mean) in (1, 3)
    alpha = slice(len(images["mean"]) - 1, None) if has_alpha else slice(0, 0)
    if images.get("range") != found.channels.range:
        images["range"] = write_list(found.channels.range) if found.channels.range else None
    if len(found.channels.mean) in (2, 4):  # alpha has no statistics, so that the last is none
        images["colours"] = write_list(images["colours"] or [])
    images["mean"] = write_list([*found.channels.mean, *images["mean"][alpha]])
    images["std"] = write_list([*found.channels.std, *images["std"][alpha]])
    largest = max(found.shorter_side, SMALLEST_SIDE)
    for key in ("side", "read_side"):
        images[key] = min(images[key], largest)


def fit_patches(images: Any, encoder: Any) -> None:
    """Make the side a multiple of the patches that a transformer cuts, if it is as large as a patch."""
    patch = encoder.get("arguments", {}).get("patch_size", 1)
    if isinstance(patch, int) and 0 < patch <= images["side"]:
        images["side"] -= images["side"] % patch


def fit_views(views: Any, *, side: int, colours: bool) -> None:
    """Leave out what does nothing to images without colours, and the blur of images that have few pixels."""
    left_out = ([] if colours else ["saturation", "hue", "grayscale"]) + (["blur"] if side <= BLURRED_ABOVE else [])
    for key in left_out:
        views["first"][key] = 0.0
        for other in (views["second"], views["target"]):
            if other:
                other.pop(key, None)


def fit_length(pretrain: Any, images: int) -> None:
    """Make batches small enough for some steps an epoch, and let few images be seen more often."""
    most = max(2, images // FEWEST_STEPS_PER_EPOCH)
    held = pretrain["batch_size"] // pretrain["accumulate"]  # images that the memory is known to hold
    batch = pretrain["batch_size"] = min(pretrain["batch_size"], 2 ** int(math.log2(most)))
    pretrain["accumulate"] = next(
        parts for parts in range(1, batch + 1) if batch % parts == 0 and batch // parts <= held
    )
    epochs = math.ceil(FEWEST_STEPS / max(1, images // pretrain["batch_size"]))
    if epochs > pretrain["epochs"]:
        part = math.ceil(epochs / SHORT_PART)
        pretrain["epochs"] = epochs
        pretrain["optimiser"]["warmup_epochs"] = max(pretrain["optimiser"]["warmup_epochs"], part)
        pretrain["watch"]["every_epochs"] = max(pretrain["watch"]["every_epochs"], part)


def fit_votes(knn: Any, watch: Any, found: Found) -> None:
    """Let no more neighbours vote than a class has labels, or the others outvote it; half of them during a training."""
    if not found.train or not found.by_class:
        return
    most = max(1, found.train // len(found.by_class))
    knn["k"] = min(knn["k"], most)
    knn["also"] = write_list([vote for vote in knn["also"] if vote["k"] <= most])
    watch["knn_k"] = min(watch["knn_k"], max(1, most // 2))


def fit_floor(promote: Any, found: Found) -> None:
    """Ask more of a first champion than whoever always names the commonest class of the test images reaches."""
    tested = [row.test for row in found.by_class]
    if sum(count > 0 for count in tested) > 1 and promote["probe"] in CLASSIFIERS and promote["metric"] == "accuracy":
        promote["floor"] = math.ceil(100 * max(tested) / sum(tested)) / 100


def write_list(values: list[Any]) -> CommentedSeq:
    """Return a list that is written in one line."""
    listed = CommentedSeq(values)
    listed.fa.set_flow_style()
    return listed
