"""`evaluate`: what all probes share, and a section for each."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from components.stage.types import Count, Counts, NotNegative, Params, Positive, Positives, Seed, Share

NotNegatives = Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=1)]
Shares = Annotated[tuple[Share, ...], Field(strict=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


def _once(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(numbers)) < len(numbers):
        raise ValueError("each number once")
    return numbers


Levels = Annotated[tuple[Positive, ...], Field(strict=False), AfterValidator(_once)]


class Shared(Params):
    """How labels are drawn and held out, the same for every probe."""

    seed: Seed
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]  # auto: cuda where it is there, else cpu
    threads: Count
    validation_fraction: Share  # of the train split, to choose a probe's own settings on
    labels_per_class: Annotated[Counts, AfterValidator(_once)]
    label_fractions: Annotated[Shares, AfterValidator(_once)]  # of each class's train labels
    draws: Annotated[int, Field(ge=10)]  # of that many labels; the mean is reported


class Vote(Params):
    """Weighted vote of the k nearest by cosine, weight exp(cosine / temperature)."""

    k: Count
    temperature: Positive


class Knn(Vote):
    """The vote that gives `accuracy`, and other habits of voting, each of which gives `accuracy_k<k>`."""

    also: Annotated[tuple[Vote, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _every_habit_has_its_own_name(self) -> Self:
        if len({vote.k for vote in self.also}) < len(self.also):
            raise ValueError("also: each k once")
        return self


class Linear(Params):
    """A linear layer trained by SGD, the whole grid of settings at once."""

    learning_rates: Positives
    weight_decays: NotNegatives
    few_label_learning_rate: Positive  # too few labels to choose on
    few_label_weight_decay: NotNegative
    momentum: Momentum
    epochs: Count
    batch_size: Count


class Sweep(Params):
    """Logistic regression with an l2 penalty of 1 / (2 C), C chosen from a log scale."""

    c_low: Positive
    c_high: Positive
    c_count: Count
    max_iterations: Count
    tolerance: Positive  # of the gradient's largest entry, a train image

    @model_validator(mode="after")
    def _the_sweep_ascends(self) -> Self:
        if self.c_low > self.c_high:
            raise ValueError(f"c_low ({self.c_low:g}) is above c_high ({self.c_high:g})")
        return self


class Logistic(Sweep):
    """The sweep, and the C for few labels, on which none can be chosen."""

    few_label_c: Positive


class Retrieval(Params):
    """Test images look for those of their class among the train images."""

    recall_at: Annotated[Counts, AfterValidator(_once)]


class Verification(Params):
    """Whether two images show the same class: pairs from a file, or drawn from the test labels."""

    pairs: str | None  # a file in the layout of LFW's pairs.txt
    folds: Annotated[int, Field(ge=2)]  # of drawn pairs; a file says its own
    pairs_per_fold: Annotated[int, Field(ge=2, multiple_of=2)]  # of drawn pairs, half of them of the same class
    false_accept_rate: Share


class Finetune(Params):
    """The encoder trained on with labels, against the same network from scratch."""

    fractions: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(strict=False, min_length=1), AfterValidator(_once)
    ]
    learning_rates: Positives  # the best on held-out train images is taken
    few_label_learning_rate: Positive  # too few labels to choose on
    momentum: Momentum
    weight_decay: NotNegative
    epochs: Count
    min_steps: Count  # where the epochs are fewer
    batch_size: Annotated[int, Field(ge=2)]


class Robustness(Params):
    """What the linear classifier's accuracy falls to, a list of strengths for each disturbance."""

    classifier: Sweep
    noise: Levels  # standard deviation, of the range 0..1
    blur: Levels  # sigma in pixels
    jpeg: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(strict=False), AfterValidator(_once)]
    brightness: Levels  # times
    fgsm: Levels  # largest change of a pixel, in 255ths
    pgd: Levels
    pgd_steps: Count
    images: Count  # of the test split, at most


class Health(Params):
    """Numbers that need no label."""

    images: Annotated[int, Field(ge=2)]  # at most, drawn from all splits


class Evaluate(Params):
    """Which probes run, and how each of them does."""

    probes: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
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
    def known(self) -> list[str]:
        """Names every probe that there is: each has a section here and a file in components/probes/."""
        return [name for name in type(self).model_fields if name not in ("probes", "shared")]

    @model_validator(mode="after")
    def _every_probe_is_known(self) -> Self:
        for name in self.probes:
            if name not in self.known:
                raise ValueError(f"probes: no probe is called '{name}'; there are {', '.join(self.known)}")
        if len(set(self.probes)) < len(self.probes):
            raise ValueError("probes: each probe once")
        return self


SECTIONS = {"evaluate": Evaluate}
