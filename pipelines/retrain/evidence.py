"""The evidence for a challenger: its own numbers, and its gain over the champion on the same test images.

pipelines/compare/differences.py describes the layout of metrics files and predictions. N images judged by both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.compare import differences, paired
from pipelines.compare.differences import OURS, START
from pipelines.compare.paired import Paired
from pipelines.train.summary import is_by_encoder


@dataclass(frozen=True)
class Evidence:
    """The numbers that the gate checks its rules against."""

    score: float | None  # the challenger's own metric
    health: Mapping[str, float]
    data: Mapping[str, float | None]  # None: not measured; no such key: there was nothing to measure it on
    start_score: float | None = None  # the metric of what the challenger began with; None: that was drawn at random
    added: Paired | None = None  # challenger - what it began with, on all test images; None: not in pairs
    champion: str | None = None  # its version; None: there is none to compare with
    gain: Paired | None = None  # challenger - champion, on all test images of the challenger's store
    gain_known: Paired | None = None  # on the test images that the champion's own run judged
    gain_new: Paired | None = None  # on the other test images
    drift: Mapping[str, Any] | None = None
    champion_scores: tuple[float, float] | None = None  # recorded and measured now; None: need not be the same

    @property
    def numbers(self) -> dict[str, Any]:
        """The evidence as a mapping, to be written to a file."""
        return asdict(self)


@dataclass(frozen=True)
class Rivals:
    """What a challenger and a champion are compared by; predictions have one row per image and encoder."""

    champion: str  # its version
    champion_predictions: pa.Table  # on the challenger's store, as are the challenger's
    challenger_predictions: pa.Table
    own_predictions: pa.Table | None  # of the champion's own run, on its own store
    relabelled_fraction: float | None  # of the images that the champion's own run judged; None: not measured
    drift: Mapping[str, Any] | None
    champion_scores: tuple[float, float] | None  # recorded in its commit, and measured now on the same images


def read_evidence(metrics: Mapping[str, Any], probe_file: str, metric: str) -> Evidence:
    """Read the evidence for a challenger alone from the contents of its metrics files, by path."""
    score = read_score(metrics, probe_file, metric)
    health, data = _find_numbers(metrics, "rank_me", "z_std"), _find_numbers(metrics, "rejected", "repeated", "images")
    fractions: dict[str, float | None] = {"rejected_fraction": None, "repeated_fraction": None}
    if data:
        images, rejected = data["images"], data["rejected"]
        fractions["rejected_fraction"] = rejected / max(1, images + rejected)
        fractions["repeated_fraction"] = data["repeated"] / max(1, images)
    known = {key: health[key] for key in ("rank_me", "z_std") if key in health}
    return Evidence(score, known, fractions, start_score=read_score(metrics, probe_file, metric, START))


def read_score(metrics: Mapping[str, Any], probe_file: str, metric: str, encoder: str = OURS) -> float | None:
    """Read the metric of an encoder from the contents of metrics files, by path; None if it was not measured."""
    score: float | None = metrics.get(probe_file, {}).get(encoder, {}).get(metric)
    return score


def _find_numbers(metrics: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Find the numbers about the run that have all these keys: a file is known by its content, not by its stage."""
    matches = (content for content in metrics.values() if not is_by_encoder(content) and set(keys) <= content.keys())
    return next(matches, {})


def add_start(evidence: Evidence, predictions: pa.Table, metric: str) -> Evidence:
    """Return the evidence with what the challenger gained over what it began with, by its own predictions."""
    pairs = differences.pair_encoders(predictions, START, OURS)
    scores = np.array([differences.read_scores(table, metric) for table in (pairs.a, pairs.b)])  # (2, N)
    return replace(evidence, added=_measure_gain(scores))


def add_gain(evidence: Evidence, rivals: Rivals, metric: str) -> Evidence:
    """Return the evidence with the gain over the champion."""
    pairs = differences.pair_predictions(rivals.champion_predictions, rivals.challenger_predictions, OURS)
    data = dict(evidence.data)
    if rivals.relabelled_fraction is not None:
        data["relabelled_fraction"] = rivals.relabelled_fraction
    gains: list[Paired | None] = [None, None, None]
    if pairs.a is not None and pairs.b is not None:
        scores = np.array([differences.read_scores(table, metric) for table in (pairs.a, pairs.b)])  # (2, N)
        known = _mark_known(pairs.a["id"].to_pylist(), rivals.own_predictions)  # (N,)
        gains = [_measure_gain(scores[:, mask]) for mask in (np.full(len(known), True), known, ~known)]
    return replace(
        evidence,
        data=data,
        champion=rivals.champion,
        gain=gains[0],
        gain_known=gains[1],
        gain_new=gains[2],
        drift=rivals.drift,
        champion_scores=rivals.champion_scores,
    )


def _mark_known(ids: Iterable[str], own_predictions: pa.Table | None) -> np.ndarray:
    """Mark the images that the champion's own run judged (N,)."""
    known_ids = set() if own_predictions is None else set(own_predictions["id"].to_pylist())
    return np.array([image_id in known_ids for image_id in ids], dtype=bool)


def _measure_gain(scores: np.ndarray) -> Paired | None:
    """Measure the gain on the images that both encoders have a score for (2, N); None if there is no such image."""
    judged = np.isfinite(scores).all(axis=0)
    return paired.compare_scores(*scores[:, judged]) if judged.any() else None
