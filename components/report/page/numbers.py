"""Makes the page's numbers: the tiles on top, and the table of every metric of every probe with its interval."""

import re
from collections.abc import Mapping
from typing import Any

from components.features.encoders import OURS, PIXELS, UNTRAINED, list_metrics

CLASSIFIERS = ("knn", "linear", "logistic")  # probes whose accuracy can be the headline
BASELINES = {PIXELS: "pixels", UNTRAINED: "untrained"}
TITLES = {
    "knn": "k nearest neighbours",
    "linear": "linear layer",
    "logistic": "logistic regression",
    "finetune": "fine-tuning",
    "verification": "verification: same class or not",
}

Probe = dict[str, dict[str, Any]]  # encoder -> metric -> value, or -> {"skipped": reason}
SHARES = re.compile(r"accuracy|recall|precision|true_accept_rate")  # metrics that are shown in percent
MORE_IS_BETTER = re.compile(r"(accuracy|recall|precision|true_accept_rate|map$|roc_auc)(?!.*standard_error)")
THREE_DECIMALS = ("map", "roc_auc")
SPELT = {
    r"accuracy_(\d+)_per_class": r"accuracy, \1 labels per class",
    r"accuracy_([\d.e-]+)_percent": r"accuracy, \1 % of the labels",
    r"accuracy_k(\d+)": r"accuracy, k = \1",
    r"map": "mean average precision",
    r"roc_auc": "area under the ROC curve",
    r"true_accept_rate_at_(\S+)": r"true accepts at \1 false ones",
    r"accuracy_(noise|brightness|blur)_([\d.e-]+)": r"accuracy, \1 \2",
    r"accuracy_jpeg_(\d+)": r"accuracy, JPEG of quality \1",
    r"accuracy_fgsm_([\d.e-]+)": r"accuracy, FGSM within \1 of 255",
    r"accuracy_pgd_([\d.e-]+)": r"accuracy, PGD within \1 of 255",
    r"learning_rate_([\d.e-]+)_percent": r"learning rate, \1 % of the labels",
    r"c": "C, chosen",
    r"rank_me": "RankMe",
    r"alpha_req": "alpha-ReQ",
    r"z_std": "z-std",
}


def select_measured(probe: Probe) -> Probe:
    """Select the encoders that were not skipped."""
    return {encoder: metrics for encoder, metrics in probe.items() if "skipped" not in metrics}


def find_skip_reason(probe: Probe) -> str:
    """Return why a probe was skipped, or an empty text."""
    return next((str(metrics["skipped"]) for metrics in probe.values() if "skipped" in metrics), "")


def choose_headline(probes: Mapping[str, Probe]) -> str | None:
    """Return the classifier with an accuracy that params.yaml names last, not the best one, or None if none has one."""
    classifiers = [name for name, probe in probes.items() if name in CLASSIFIERS and "accuracy" in probe.get(OURS, {})]
    return classifiers[-1] if classifiers else None


def make_tiles(probes: Mapping[str, Probe], pretrain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the tiles of the most important numbers."""
    tiles, name = [], choose_headline(probes)
    if name is not None:
        probe = select_measured(probes[name])
        counts = [int(key[1]) for key in map(re.compile(r"accuracy_(\d+)_per_class").fullmatch, probe[OURS]) if key]
        if counts:
            few = min(counts, key=lambda count: (abs(count - 2), count))
            label = f"accuracy, {few} label{'s' * (few > 1)} a class"
            tiles.append(make_tile(probe, f"accuracy_{few}_per_class", label, name))
        tiles.append(make_tile(probe, "accuracy", "accuracy, all labels", name))
    if "map" in probes.get("retrieval", {}).get(OURS, {}):
        tiles.append(make_tile(select_measured(probes["retrieval"]), "map", "mean average precision", "retrieval"))
    duration = {"value": f"{pretrain['seconds']:,.0f} s", "title": "of pretraining", "interval": "", "lines": []}
    duration["probe"] = f"{pretrain['epochs']:,} epochs, {pretrain['images_per_second']:,.0f} images a second"
    return [*tiles, duration]


def make_tile(probe: Probe, key: str, label: str, name: str) -> dict[str, Any]:
    """Make a tile of one metric: our encoder's value and, below it, those of the baselines."""
    lines = [
        (BASELINES.get(encoder, encoder), spell_value(key, metrics[key]))
        for encoder, metrics in probe.items()
        if encoder != OURS and key in metrics
    ]
    ours = probe[OURS]
    tile = {"title": label, "probe": name_probe(name), "lines": lines}
    return tile | {"value": spell_value(key, ours[key]), "interval": format_interval(key, ours)}


def tabulate(probes: Mapping[str, Probe]) -> list[dict[str, Any]]:
    """Return a table per probe, with a row per metric and a cell per encoder."""
    groups = []
    for name, probe in probes.items():
        measured = select_measured(probe)
        rows = [
            {"metric": spell_metric(key), "cells": list_cells(measured, key)} for key in list_metrics(measured.values())
        ]
        groups.append(
            {"probe": name_probe(name), "reason": find_skip_reason(probe), "encoders": list(measured), "rows": rows}
        )
    return groups


def list_cells(probe: Probe, key: str) -> list[dict[str, Any]]:
    """List a metric's cells, one per encoder; the best is marked if its interval is above all other values."""
    values = sorted(metrics[key] for metrics in probe.values() if key in metrics)
    second = values[-2] if len(values) > 1 and MORE_IS_BETTER.match(key) else None
    return [
        {
            "value": spell_value(key, metrics[key]) if key in metrics else "–",
            "interval": format_interval(key, metrics),
            "best": second is not None and metrics.get(f"{key}_low", 0) > second,
        }
        for metrics in probe.values()
    ]


def name_probe(probe: str) -> str:
    """Return a probe's name as people say it."""
    return TITLES.get(probe, probe)


def spell_metric(key: str) -> str:
    """Return a metric's name as people say it."""
    for pattern, words in SPELT.items():
        if match := re.fullmatch(pattern, key):
            return match.expand(words).replace(", 1 labels", ", 1 label")
    return key.replace("_", " ")


def spell_value(key: str, value: float) -> str:
    """Format a metric's value: shares in percent, other values with three digits or as whole numbers."""
    if SHARES.match(key):
        return f"{100 * value:.1f} %"
    if key in THREE_DECIMALS:
        return f"{value:.3f}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def format_interval(key: str, metrics: Mapping[str, Any]) -> str:
    """Format a metric's interval, or return an empty text if it has none."""
    ends = [metrics.get(f"{key}_{end}") for end in ("low", "high")]
    return (
        "" if None in ends else " – ".join(spell_value(key, end).removesuffix(" %") for end in ends if end is not None)
    )
