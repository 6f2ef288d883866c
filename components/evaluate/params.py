"""The section `evaluate` of params.yaml: what all probes share, and a section for each probe."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from components.features.judging.params import Sweep
from components.stage.shown import show
from components.stage.types import (
    Batch,
    Count,
    Counts,
    Epochs,
    NotNegative,
    Params,
    Positive,
    Positives,
    Seed,
    Several,
    Share,
    Temperature,
    Workers,
)

NotNegatives = Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=1, max_length=100)]
Shares = Annotated[tuple[Share, ...], Field(strict=False, max_length=100)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


def _check_unique(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(numbers)) < len(numbers):
        raise ValueError("each number once")
    return numbers


Level = Annotated[float, Field(gt=0, le=1000)]
Levels = Annotated[tuple[Level, ...], Field(strict=False, max_length=100), AfterValidator(_check_unique)]
Quality = Annotated[int, Field(ge=1, le=100)]
Qualities = Annotated[tuple[Quality, ...], Field(strict=False, max_length=100), AfterValidator(_check_unique)]
Pairs = Annotated[int, Field(ge=2, le=10**6, multiple_of=2)]


class Shared(Params):
    """The device, and how labels are drawn and held out; the same for every probe."""

    seed: Seed
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]  # auto: cuda if there is one, else cpu
    threads: Workers
    validation_fraction: Share  # of the train split, to choose a probe's own settings on
    labels_per_class: Annotated[Counts, AfterValidator(_check_unique)]
    label_fractions: Annotated[Shares, AfterValidator(_check_unique)]  # of each class's train labels
    draws: Annotated[int, Field(ge=10, le=10_000)]  # of each number of labels; the mean is reported


class Vote(Params):
    """A weighted vote of the k nearest neighbours by cosine, with weight exp(cosine / temperature)."""

    k: Count
    temperature: Temperature


class Knn(Vote):
    """The vote that gives `accuracy`, and further votes, each of which gives `accuracy_k<k>`."""

    also: Annotated[tuple[Vote, ...], Field(strict=False, max_length=100)]

    @model_validator(mode="after")
    def _check_votes(self) -> Self:
        if len({vote.k for vote in self.also}) < len(self.also):
            raise ValueError("also: each k once")
        return self


class Linear(Params):
    """A linear layer trained by SGD, all settings of the grid at once."""

    learning_rates: Positives
    weight_decays: NotNegatives
    few_label_learning_rate: Positive  # fixed, since there are too few labels to choose it on
    few_label_weight_decay: NotNegative
    momentum: Momentum
    epochs: Epochs
    batch_size: Batch


class Logistic(Sweep):
    """The sweep of C, and the fixed C for few labels, which are too few to choose it on."""

    few_label_c: Positive


class Retrieval(Params):
    """Retrieval: test images are queries for train images of their class."""

    recall_at: Annotated[Counts, AfterValidator(_check_unique)]


class Verification(Params):
    """Verification of whether two images show the same class: pairs come from a file or are drawn from test labels."""

    pairs: Annotated[str, Field(min_length=1, max_length=4096)] | None  # a file in the layout of LFW's pairs.txt
    folds: Annotated[int, Field(ge=2, le=1000)]  # of drawn pairs; a file gives its own number
    pairs_per_fold: Pairs  # of drawn pairs, half of them of the same class
    false_accept_rate: Share


class Finetune(Params):
    """Fine-tuning of the encoder with labels, against the same network from scratch."""

    fractions: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...],
        Field(strict=False, min_length=1, max_length=100),
        AfterValidator(_check_unique),
    ]
    learning_rates: Positives  # the best on held-out train images is chosen
    few_label_learning_rate: Positive  # fixed, since there are too few labels to choose it on
    momentum: Momentum
    weight_decay: NotNegative
    epochs: Epochs
    min_steps: Count  # at least, where the epochs give fewer
    batch_size: Annotated[int, Field(ge=2, le=10**6)]


class Robustness(Params):
    """The disturbances under which the linear classifier's accuracy is measured, each with a list of strengths."""

    classifier: Sweep
    noise: Levels  # standard deviation, of the range 0..1
    blur: Levels  # sigma in pixels
    jpeg: Qualities
    brightness: Levels  # factor
    fgsm: Levels  # largest change of a pixel, in 255ths
    pgd: Levels
    pgd_steps: Annotated[int, Field(ge=1, le=1000)]
    images: Count  # of the test split, at most


class Health(Params):
    """Measures of the features that need no label."""

    images: Several  # at most, drawn from all splits


class Evaluate(Params):
    """The probes that run, and the parameters of each probe."""

    probes: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=100)]
    shared: Shared
    knn: Knn
    linear: Linear
    logistic: Logistic
    retrieval: Retrieval
    verification: Verification
    finetune: Finetune
    robustness: Robustness
    health: Health

    @property
    def known_probes(self) -> list[str]:
        """The names of all probes; each has a section here and a file in components/probes/."""
        return [name for name in type(self).model_fields if name not in ("probes", "shared")]

    @model_validator(mode="after")
    def _check_probes(self) -> Self:
        for name in self.probes:
            if name not in self.known_probes:
                raise ValueError(f"probes: no probe is called {show(name)}; there are {', '.join(self.known_probes)}")
        if len(set(self.probes)) < len(self.probes):
            raise ValueError("probes: each probe once")
        return self


SECTIONS = {"evaluate": Evaluate}
