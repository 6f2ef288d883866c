"""Chooses the main numbers of a run by what it asked for, and makes the tiles on top of the page of them.

evaluate.probes names verification first where images are compared in pairs, as the presets for faces and vehicles do.
"""

import re
from collections.abc import Mapping
from typing import Any

from components.features.encoders import OURS, PIXELS, START, UNTRAINED
from components.report.page.numbers import (
    CLASSIFIERS,
    RETRIEVAL,
    VERIFICATION,
    Probe,
    format_interval,
    name_probe,
    select_measured,
    spell_value,
)
from components.report.words import count

Headline = tuple[str, str]  # a probe and its metric

BASELINES = {START: "its start", PIXELS: "pixels", UNTRAINED: "untrained"}
TILES = 3  # beside the duration
OTHERS = ((RETRIEVAL, "map"), ("finetune", "accuracy"), ("robustness", "accuracy"))
LABELS = {
    "accuracy": "accuracy, all labels",
    "map": "mean average precision",
    "roc_auc": "area under the ROC curve",
    "rank_me": "effective dimensions (RankMe)",
}


def choose_classifier(probes: Mapping[str, Probe]) -> str | None:
    """Return the classifier with an accuracy that params.yaml names last, not the best one, or None if none has one."""
    classifiers = [name for name in probes if name in CLASSIFIERS and has_metric(probes, (name, "accuracy"))]
    return classifiers[-1] if classifiers else None


def list_headlines(probes: Mapping[str, Probe]) -> list[Headline]:
    """List the main metrics that were measured, the most important first: those of verification if it is named before
    the classifiers, else those of the last classifier."""
    classifier = choose_classifier(probes)
    labelled = [] if classifier is None else [(classifier, key) for key in (choose_few(probes[classifier]), "accuracy")]
    pairs = [(VERIFICATION, "accuracy"), (VERIFICATION, "roc_auc")]
    asked = [name for name in probes if name in (*CLASSIFIERS, VERIFICATION)]
    first = [*pairs, OTHERS[0], *labelled] if asked[:1] == [VERIFICATION] else [*labelled, pairs[0]]
    return [headline for headline in dict.fromkeys([*first, *OTHERS]) if has_metric(probes, headline)]


def choose_few(probe: Probe) -> str:
    """Choose the accuracy from few labels that is shown: that of two labels per class, or the nearest to it."""
    counts = [int(key[1]) for key in map(re.compile(r"accuracy_(\d+)_per_class").fullmatch, probe[OURS]) if key]
    few = min(counts, key=lambda labels: (abs(labels - 2), labels), default=None)
    return "" if few is None else f"accuracy_{few}_per_class"


def has_metric(probes: Mapping[str, Probe], headline: Headline) -> bool:
    """Return whether our encoder has the metric."""
    return headline[1] in probes.get(headline[0], {}).get(OURS, {})


def make_tiles(probes: Mapping[str, Probe], pretrain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the tiles of the most important numbers."""
    chosen = list_headlines(probes)[:TILES] or [("health", "rank_me")] * has_metric(probes, ("health", "rank_me"))
    tiles = [make_tile(select_measured(probes[name]), key, name) for name, key in chosen]
    duration = {"value": f"{pretrain['seconds']:,.0f} s", "title": "of pretraining", "interval": "", "lines": []}
    speed = count(round(pretrain["images_per_second"]), "image(s) per second")
    return [*tiles, duration | {"probe": f"{count(pretrain['epochs'], 'epoch(s)')}, {speed}"}]


def make_tile(probe: Probe, key: str, name: str) -> dict[str, Any]:
    """Make a tile of one metric: our encoder's value and, below it, those of the baselines."""
    lines = [
        (BASELINES.get(encoder, encoder), spell_value(key, metrics[key]))
        for encoder, metrics in probe.items()
        if encoder != OURS and key in metrics
    ]
    ours = probe[OURS]
    tile = {"title": name_metric(name, key), "probe": name_probe(name), "lines": lines}
    return tile | {"value": spell_value(key, ours[key]), "interval": format_interval(key, ours)}


def describe_labels(key: str) -> str:
    """Describe the labels that a classifier's accuracy is from."""
    few = re.fullmatch(r"accuracy_(\d+)_per_class", key)
    return f"from {count(int(few[1]), 'label(s) per class')}" if few else "from all labels"


def name_metric(probe: str, key: str) -> str:
    """Return a main metric's name as people say it."""
    if probe == VERIFICATION and key == "accuracy":
        return "accuracy over folds"
    if match := re.fullmatch(r"accuracy_(\d+)_per_class", key):
        return f"accuracy, {count(int(match[1]), 'label(s) per class')}"
    return LABELS[key]
