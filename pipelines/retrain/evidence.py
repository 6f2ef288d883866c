"""What a challenger has to show for itself: its own numbers, and its gain over the champion on the same test images.

Metrics files and predictions are laid out as pipelines/compare/differences.py says. N images judged by both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.compare import differences, paired
from pipelines.compare.differences import OURS
from pipelines.compare.paired import Paired
from pipelines.train.summary import is_by_encoder


@dataclass(frozen=True)
class Evidence:
    """What the gate holds its rules against."""

    score: float | None  # the challenger's own metric
    health: Mapping[str, float]
    data: Mapping[str, float | None]  # None: not measured; no such key: there was nothing to measure it on
    champion: str | None = None  # its version; without one there is nothing to gain over
    gain: Paired | None = None  # challenger - champion, on all test images of the challenger's store
    gain_known: Paired | None = None  # on those that the champion's own run had judged
    gain_new: Paired | None = None  # on the others
    drift: Mapping[str, Any] | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """To write down."""
        return asdict(self)


@dataclass(frozen=True)
class Rivals:
    """What tells them apart; predictions are image by image, of both on the challenger's store, of one on its own."""

    champion: str
    judged: pa.Table
    challenger: pa.Table
    own: pa.Table | None  # of the champion's own run
    relabelled: float | None  # fraction of the images judged by the champion's own run that have another class now
    drift: Mapping[str, Any] | None


def of_run(metrics: Mapping[str, Any], probe_file: str, metric: str) -> Evidence:
    """Of the challenger alone, from its metrics files by their path."""
    score = metrics.get(probe_file, {}).get(OURS, {}).get(metric)
    health, data = _having(metrics, "rank_me", "z_std"), _having(metrics, "rejected", "repeated", "images")
    fractions: dict[str, float | None] = {"rejected_fraction": None, "repeated_fraction": None}
    if data:
        images, rejected = data["images"], data["rejected"]
        fractions["rejected_fraction"] = rejected / max(1, images + rejected)
        fractions["repeated_fraction"] = data["repeated"] / max(1, images)
    return Evidence(score, {key: health[key] for key in ("rank_me", "z_std") if key in health}, fractions)


def _having(metrics: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The numbers about a run among which these are; files are known by what they say, not by a stage's name."""
    found = (content for content in metrics.values() if not is_by_encoder(content) and set(keys) <= content.keys())
    return next(found, {})


def against(evidence: Evidence, rivals: Rivals, metric: str) -> Evidence:
    """The same with the gain over the champion."""
    pairs = differences.pair(rivals.judged, rivals.challenger, OURS)
    data = dict(evidence.data)
    if rivals.relabelled is not None:
        data["relabelled_fraction"] = rivals.relabelled
    gains: list[Paired | None] = [None, None, None]
    if pairs.a is not None and pairs.b is not None:
        scores = np.array([differences.scores_of(table, metric) for table in (pairs.a, pairs.b)])  # (2, N)
        known = _known(pairs.a["id"].to_pylist(), rivals.own)  # (N,)
        gains = [_gain(scores[:, chosen]) for chosen in (np.full(len(known), True), known, ~known)]
    everywhere, known_ones, new_ones = gains
    return Evidence(
        evidence.score, evidence.health, data, rivals.champion, everywhere, known_ones, new_ones, rivals.drift
    )


def _known(ids: Iterable[str], own: pa.Table | None) -> np.ndarray:
    """Which images the champion's own run judged (N,)."""
    had = set() if own is None else set(own["id"].to_pylist())
    return np.array([one in had for one in ids], dtype=bool)


def _gain(scores: np.ndarray) -> Paired | None:
    """Of the images (2, N) that have a score of both."""
    judged = np.isfinite(scores).all(axis=0)
    return paired.compare(*scores[:, judged]) if judged.any() else None
