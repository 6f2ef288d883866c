"""The page's numbers: the tiles on top, and the table of every metric of every probe with its interval."""

import re
from collections.abc import Mapping
from typing import Any

from components.features.encoders import OURS, PIXELS, UNTRAINED, metric_names

CLASSIFIERS = ("knn", "linear", "logistic")  # whose accuracy is the encoder's headline
BASELINES = {PIXELS: "pixels", UNTRAINED: "untrained"}
TITLES = {
    "knn": "k nearest neighbours",
    "linear": "linear layer",
    "logistic": "logistic regression",
    "finetune": "fine-tuning",
    "verification": "verification: same class or not",
}

Probe = dict[str, dict[str, Any]]  # encoder -> metric -> value, or -> {"skipped": reason}
SHARES = re.compile(r"accuracy|recall|precision|true_accept_rate")  # what is said in percent
MORE_IS_BETTER = re.compile(r"(accuracy|recall|precision|true_accept_rate|map$|roc_auc)(?!.*standard_error)")
THREE_DECIMALS = ("map", "roc_auc")
SPELT = {
    r"accuracy_(\d+)_per_class": r"accuracy, \1 labels a class",
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


def measured(probe: Probe) -> Probe:
    """The encoders that were not skipped."""
    return {encoder: metrics for encoder, metrics in probe.items() if "skipped" not in metrics}


def reason(probe: Probe) -> str:
    """Why it was skipped."""
    return next((str(metrics["skipped"]) for metrics in probe.values() if "skipped" in metrics), "")


def headline(probes: Mapping[str, Probe]) -> str | None:
    """The classifier that params.yaml names last: never the best. None where none has an accuracy."""
    found = [name for name, probe in probes.items() if name in CLASSIFIERS and "accuracy" in probe.get(OURS, {})]
    return found[-1] if found else None


def tiles(probes: Mapping[str, Probe], pretrain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The numbers to read if one reads no more."""
    found, name = [], headline(probes)
    if name is not None:
        probe = measured(probes[name])
        counts = [int(key[1]) for key in map(re.compile(r"accuracy_(\d+)_per_class").fullmatch, probe[OURS]) if key]
        if counts:
            few = min(counts, key=lambda count: (abs(count - 2), count))
            said = f"accuracy, {few} label{'s' * (few > 1)} a class"
            found.append(tile(probe, f"accuracy_{few}_per_class", said, name))
        found.append(tile(probe, "accuracy", "accuracy, all labels", name))
    if "map" in probes.get("retrieval", {}).get(OURS, {}):
        found.append(tile(measured(probes["retrieval"]), "map", "mean average precision", "retrieval"))
    took = {"value": f"{pretrain['seconds']:,.0f} s", "title": "of pretraining", "interval": "", "lines": []}
    took["probe"] = f"{pretrain['epochs']:,} epochs, {pretrain['images_per_second']:,.0f} images a second"
    return [*found, took]


def tile(probe: Probe, key: str, said: str, name: str) -> dict[str, Any]:
    """One number of the encoder's and below it the baselines'."""
    lines = [
        (BASELINES.get(encoder, encoder), spell_value(key, metrics[key]))
        for encoder, metrics in probe.items()
        if encoder != OURS and key in metrics
    ]
    ours = probe[OURS]
    found = {"title": said, "probe": title(name), "lines": lines}
    return found | {"value": spell_value(key, ours[key]), "interval": interval(key, ours)}


def table(probes: Mapping[str, Probe]) -> list[dict[str, Any]]:
    """A group a probe: a row a metric, a cell an encoder; marked is what is better than all others beyond noise."""
    groups = []
    for name, probe in probes.items():
        found = measured(probe)
        rows = [{"metric": spell(key), "cells": cells(found, key)} for key in metric_names(found.values())]
        groups.append({"probe": title(name), "reason": reason(probe), "encoders": list(found), "rows": rows})
    return groups


def cells(probe: Probe, key: str) -> list[dict[str, Any]]:
    """One metric of every encoder."""
    values = sorted(metrics[key] for metrics in probe.values() if key in metrics)
    second = values[-2] if len(values) > 1 and MORE_IS_BETTER.match(key) else None
    return [
        {
            "value": spell_value(key, metrics[key]) if key in metrics else "–",
            "interval": interval(key, metrics),
            "best": second is not None and metrics.get(f"{key}_low", 0) > second,
        }
        for metrics in probe.values()
    ]


def title(probe: str) -> str:
    """A probe's name as people say it."""
    return TITLES.get(probe, probe)


def spell(key: str) -> str:
    """A metric's name as people say it."""
    for pattern, words in SPELT.items():
        if found := re.fullmatch(pattern, key):
            return found.expand(words).replace(", 1 labels", ", 1 label")
    return key.replace("_", " ")


def spell_value(key: str, value: float) -> str:
    """Shares in percent, the rest with three digits or as whole numbers."""
    if SHARES.match(key):
        return f"{100 * value:.1f} %"
    if key in THREE_DECIMALS:
        return f"{value:.3f}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def interval(key: str, metrics: Mapping[str, Any]) -> str:
    """Nothing where there is none."""
    ends = [metrics.get(f"{key}_{end}") for end in ("low", "high")]
    return (
        "" if None in ends else " – ".join(spell_value(key, end).removesuffix(" %") for end in ends if end is not None)
    )
