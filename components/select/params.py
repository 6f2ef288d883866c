"""The section `select` of params.yaml: what is chosen from, how many images, and a section for each strategy."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.stage.shown import show
from components.stage.types import Count, Device, Params, Positive, Seed, Several, Share, Workers


class NoKeys(Params):
    """Nothing to set."""


class Typiclust(Params):
    """The numbers of TypiClust, which the paper and its code fix at 500, 5 and 20."""

    max_clusters: Count  # as many as images are labelled and chosen, but no more than this
    min_images: Count  # a cluster with fewer waits until nothing else is left
    neighbours: Count  # an image is typical where so many are close
    exact_images: Several  # of more images in all, mini-batches make the clusters
    cluster_images: Several  # of a larger cluster, so many drawn images stand for it


class Margin(Params):
    """The logistic regression that is unsure."""

    c: Positive
    max_iterations: Annotated[int, Field(ge=1, le=10**6)]
    tolerance: Positive


class Select(Params):
    """The strategies that run, and the parameters of each strategy."""

    strategies: Annotated[tuple[str, ...], Field(strict=False, max_length=100)]
    pool: Literal["unlabelled", "train"]  # images without a label; or all train images, as if none had one
    budget: Annotated[int, Field(ge=1, le=100_000)]
    same: Share  # cosine of features from which two images count as the same picture
    seed: Seed
    device: Device
    threads: Workers
    typiclust: Typiclust
    kcentre: NoKeys
    margin: Margin
    random: NoKeys

    @property
    def known_strategies(self) -> list[str]:
        """The names of all strategies; each has a section here and a file in components/strategies/."""
        common = ("strategies", "pool", "budget", "same", "seed", "device", "threads")
        return [name for name in type(self).model_fields if name not in common]

    @model_validator(mode="after")
    def _check_strategies(self) -> Self:
        for name in self.strategies:
            if name not in self.known_strategies:
                known = ", ".join(self.known_strategies)
                raise ValueError(f"strategies: no strategy is called {show(name)}; there are {known}")
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError("strategies: each strategy once")
        return self


SECTIONS = {"select": Select}
