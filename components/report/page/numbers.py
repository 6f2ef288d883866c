"""Makes the table of every metric of every probe with its interval, and spells the names and values of metrics."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.features.encoders import list_metrics
from components.report.page.paired import Scores, compare

VERIFICATION, RETRIEVAL = "verification", "retrieval"
CLASSIFIERS = ("knn", "linear", "logistic")
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
KEY = re.compile(r"\baccuracy_\w+")  # of a metric, in a reason
SAID = ("pairs", "pairs_seen")  # in the sentence beside the table
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


def tabulate(name: str, probe: Probe, scores: Scores) -> dict[str, Any]:
    """Return a probe's table, with a row per metric and a cell per encoder."""
    measured = select_measured(probe)
    keys = [key for key in list_metrics(measured.values()) if key not in SAID]
    return {
        "probe": name_probe(name),
        "reason": find_skip_reason(probe),
        "encoders": list(measured),
        "rows": [{"metric": spell_metric(key), "cells": list_cells(measured, key, scores)} for key in keys],
    }


def list_cells(probe: Probe, key: str, scores: Scores) -> list[dict[str, Any]]:
    """List a metric's cells, one per encoder; the best is marked if it is better than every other, beyond noise."""
    having = [encoder for encoder, metrics in probe.items() if key in metrics]

    def is_best(encoder: str) -> bool:
        others = [other for other in having if other != encoder]
        return bool(others) and all(compare(key, encoder, other, probe, scores) > 0 for other in others)

    return [
        {
            "value": spell_value(key, metrics[key]) if key in metrics else "–",
            "interval": format_interval(key, metrics),
            "best": bool(MORE_IS_BETTER.match(key)) and encoder in having and is_best(encoder),
        }
        for encoder, metrics in probe.items()
    ]


def spell_left_out(left_out: Sequence[tuple[str, str]], pattern: str = "") -> str:
    """Spell the metrics, of those whose names match the pattern, that were asked for and not measured, with reasons."""
    chosen = [(key, reason.rstrip(".")) for key, reason in left_out if re.match(pattern, key)]
    said = [f"{spell_metric(key)} ({KEY.sub(lambda found: spell_metric(found[0]), reason)})" for key, reason in chosen]
    return f"Asked for and not measured: {'; '.join(said)}." if said else ""


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
