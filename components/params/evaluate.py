"""`evaluate`: what all probes share, and a section for each."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from components.params.base import Count, Counts, NotNegative, Params, Positive, Positives, Seed, Share


class Shared(Params):
    """How labels are drawn and held out, the same for every probe."""

    seed: Seed
    threads: Count
    validation_fraction: Share  # of the train split, to choose a probe's own settings on
    labels_per_class: Counts
    draws: Annotated[int, Field(ge=10)]  # of that many labels; the mean is reported

    @model_validator(mode="after")
    def _each_number_of_labels_once(self) -> Self:
        if len(set(self.labels_per_class)) < len(self.labels_per_class):
            raise ValueError("labels_per_class: each number once")
        return self


class Knn(Params):
    """Weighted vote of the k nearest by cosine, weight exp(cosine / temperature)."""

    k: Count
    temperature: Positive


class Linear(Params):
    """A linear layer trained by SGD, every learning rate at once."""

    learning_rates: Positives
    few_label_learning_rate: Positive  # too few labels to choose one on
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    epochs: Count
    batch_size: Count


class Logistic(Params):
    """Logistic regression with an l2 penalty of 1 / (2 C)."""

    c_low: Positive
    c_high: Positive
    c_count: Count
    few_label_c: Positive  # too few labels to choose one on
    max_iterations: Count

    @model_validator(mode="after")
    def _the_sweep_ascends(self) -> Self:
        if self.c_low > self.c_high:
            raise ValueError(f"c_low ({self.c_low:g}) is above c_high ({self.c_high:g})")
        return self


class Evaluate(Params):
    """Which probes run, and how each of them does."""

    probes: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    shared: Shared
    knn: Knn
    linear: Linear
    logistic: Logistic

    @model_validator(mode="after")
    def _every_probe_is_known(self) -> Self:
        known = [name for name in type(self).model_fields if name not in ("probes", "shared")]
        for name in self.probes:
            if name not in known:
                raise ValueError(f"probes: no probe is called '{name}'; there are {', '.join(known)}")
        if len(set(self.probes)) < len(self.probes):
            raise ValueError("probes: each probe once")
        return self


Section = Evaluate
