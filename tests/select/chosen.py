"""Pools made of features, and settings, for the tests of choosing."""

from typing import Any

import numpy as np
import pyarrow as pa
import torch

from components.select.choose import Choice, choose
from components.select.params import Select
from components.select.pool import Pool, scale
from components.stage.command import read_params
from tests.conftest import ROOT, set_in

CPU = torch.device("cpu")


def make_select_settings(**changes: Any) -> Select:
    """Make the shipped settings with changes: `make_select_settings(budget=3, typiclust__min_images=2)`."""
    section = read_params(ROOT / "params.yaml").select.model_dump() | {"device": "cpu"}
    for key, value in changes.items():
        set_in(section, key.split("__"), value)
    return Select.model_validate(section)


def make_pool(features: np.ndarray, labels: np.ndarray | None = None) -> Pool:
    """Make a pool of features (M + N, D), of which the first M have these labels."""
    labels = np.empty(0, np.int64) if labels is None else labels
    ids = pa.chunked_array([pa.array([f"{n}" for n in range(len(features) - len(labels))])])
    return Pool(ids, labels, scale(features.astype(np.float32)), {}, frozenset())


def choose_rows(pool: Pool, strategy: str, **changes: Any) -> list[int]:
    return choose_from(pool, strategy, **changes).rows


def choose_from(pool: Pool, strategy: str, **changes: Any) -> Choice:
    return choose(pool, strategy, make_select_settings(**changes), CPU)


def make_blobs(sizes: list[int], *, spread: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make as many images around each axis: features (N, D) and the number of each image's blob (N,)."""
    blobs = np.repeat(np.arange(len(sizes)), sizes)
    return np.eye(len(sizes))[blobs] + np.random.default_rng(seed).normal(0, spread, (len(blobs), len(sizes))), blobs
