"""Writes README.md of models/encoder: what this encoder is, what made it, what it is worth and how to use it.

The card is for someone who finds the folder without this project. Its headings are those of Mitchell et al.'s model
cards (arXiv 1810.03993); the lines above them are those that Hugging Face reads. The text is in card.md.j2.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.encoder.params import Images, name_network
from components.encoder.saved import Begun, Config
from components.features.encoders import list_metrics, order_encoders
from components.report import objectives
from components.report.markdown import write_code, write_inert
from components.report.page.numbers import Probe
from components.report.seen import describe_test_images
from components.report.words import count
from components.stage.files import write_text
from components.stage.shown import LONGEST_LINE
from components.store.decode import MODES

TEMPLATE = Path(__file__).parent / "card.md.j2"
SPLITS = ("train", "test", "unlabelled")
CLASSES = 30  # at most, for a line per class
CHANNELS = {1: "1 channel (gray)", 2: "2 channels (gray, alpha)", 3: "3 channels (RGB)", 4: "4 channels (RGB, alpha)"}
FINDINGS = {
    "given": "label(s) that people gave by hand",
    "given_differing": "of these unlike the source's",
    "rejected": "file(s) not stored",
    "odd": "odd image(s)",
    "repeated": "image(s) equal to another",
    "repeated_with_other_labels": "image(s) under several labels",
    "nearly_repeated": "image(s) nearly the same as another",
    "dropped": "image(s) to train on left out, since equal to a test image",
    "merged": "unlabelled image(s) left out, since equal to one of another split",
    "withheld": "unlabelled image(s) left out, since nearly the same as a test image",
    "classes_without_train": "class(es) without an image to train on",
    "classes_without_test": "class(es) without a test image",
}
Metrics = Mapping[str, Any]


def write_card(
    path: Path,
    config: Config,
    *,
    data: Metrics,
    pretrain: Metrics,
    probes: Mapping[str, Probe],
    notes: Mapping[str, list[str]],
    verdict: str,
    revision: str,
) -> None:
    """Fill in the card from metrics/data.json, metrics/pretrain.json, and the metrics and notes of each probe."""
    folder = FileSystemLoader(TEMPLATE.parent)
    environment = Environment(loader=folder, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    text = environment.get_template(TEMPLATE.name).render(
        **describe_network(config),
        overview=list_overview(data, pretrain),
        splits=list_splits(data),
        classes=list_classes(data),
        findings=[count(data[key], what) for key, what in FINDINGS.items() if data.get(key)],
        verdict=write_inert(verdict, LONGEST_LINE),
        evaluation=describe_test_images(data, probes),
        probes=[
            tabulate_probe(name, probe) | {"notes": [write_inert(note, LONGEST_LINE) for note in notes.get(name, [])]}
            for name, probe in probes.items()
        ],
        training=[(write_inert(name), format_value(value)) for name, value in pretrain.items()],
        revision=write_inert(revision),
    )
    write_text(path, text)


def describe_network(config: Config) -> dict[str, Any]:
    """Return what the template needs to describe the encoder: its input, its output and its provenance."""
    provenance: dict[str, Any] = {
        "method": "BYOL",
        "torch": "unknown",
        "lock": None,
        "data": None,
    }
    provenance |= {"params": {}} | config.provenance
    images, objective = config.images, objectives.read_objective(provenance)
    return {
        "config": config,
        "network": write_code(name_network(config.encoder)),
        "side": images.side,
        "mean": list(images.mean),
        "std": list(images.std),
        "channels": describe_channels(images),
        "limits": images.limits,
        "mode": None if images.deep or images.colours is not None else MODES.get(images.channels),
        "alpha": images.alpha,
        "method": write_inert(str(provenance["method"])),
        "torch": write_inert(str(provenance["torch"])),
        "taught": objectives.describe_teaching(provenance),
        "kept": objectives.describe_kept_network(provenance),
        "tag": objective if re.fullmatch(r"\w+", objective, re.ASCII) else "byol",
        "start": describe_start(config.start),
        "lock": write_code(str(provenance["lock"] or "unknown")),
        "images": write_code(str(provenance["data"] or "unknown")),
        # Inside a block of code nothing has a meaning but its end.
        "parameters_json": json.dumps(provenance["params"], indent=2).replace("`", "\\u0060").replace("<", "\\u003c"),
    }


def describe_start(start: Begun | None) -> dict[str, Any] | None:
    """Return what the template needs to say what the training began with; None if all weights were drawn at random."""
    if start is None:
        return None
    notes = [write_inert(note, LONGEST_LINE) for note in start.notes]
    return {"origin": write_code(start.origin), "sha256": write_code(start.sha256), "notes": notes}


def describe_channels(images: Images) -> str:
    """Describe the channels of the network's input, and their values if these have more than 8 bits."""
    if images.colours is None and images.channels in CHANNELS:
        kinds = CHANNELS[images.channels]
    else:
        kinds = f"{images.channels} channel{'s' * (images.channels > 1)}"
        if len(images.coloured) == 3:
            kinds += " (counted from 0, red, green and blue are {}, {} and {})".format(*images.coloured)
        elif images.coloured:
            kinds += f" (counted from 0, gray is {images.coloured[0]})"
    return f"{kinds} with values from {images.limits[0]} to {images.limits[1]}" if images.deep else kinds


def list_overview(data: Metrics, pretrain: Metrics) -> list[tuple[str, str]]:
    """List the name and value of each known fact about the images."""
    sources = ", ".join(f"{write_inert(name)} ({count:,})" for name, count in data.get("sources", {}).items())
    by_split = ", ".join(f"{data[split]:,} {split}" for split in list_splits(data))
    trained_on = format_value(pretrain.get("images"))
    facts = [
        ("images", f"{format_value(data.get('images'))}: {by_split}; {trained_on} of them trained on"),
        ("sources", sources),
        ("classes", format_value(data.get("classes"))),
    ]
    return [(name, value) for name, value in facts if value]


def list_splits(data: Metrics) -> list[str]:
    """List the splits that hold images."""
    return [split for split in SPLITS if data.get(split)]


def list_classes(data: Metrics) -> list[list[str]]:
    """List each class's name and its number of images in each split, if there are few classes."""
    rows = data.get("by_class", [])
    if not 1 < len(rows) <= CLASSES:
        return []
    return [
        [write_inert(str(row["class"])), *(format_value(row.get(split)) for split in list_splits(data))] for row in rows
    ]


def tabulate_probe(name: str, by_encoder: Mapping[str, Metrics]) -> dict[str, Any]:
    """Return a probe's table with a row per metric and a column per encoder, and why other encoders were skipped."""
    ordered = order_encoders(by_encoder)
    measured = {encoder: metrics for encoder, metrics in ordered.items() if "skipped" not in metrics}
    return {
        "name": write_inert(name),
        "encoders": [write_inert(encoder) for encoder in measured],
        "skipped": [
            (write_code(encoder), write_inert(str(metrics["skipped"])))
            for encoder, metrics in ordered.items()
            if encoder not in measured
        ],
        "rows": [
            [write_inert(metric), *(format_with_interval(metrics, metric) for metrics in measured.values())]
            for metric in list_metrics(measured.values())
        ],
    }


def format_with_interval(metrics: Metrics, metric: str) -> str:
    """Format a metric with its interval if it has one, like `0.9821 [0.9652, 0.9909]`."""
    value, low, high = (metrics.get(key) for key in (metric, f"{metric}_low", f"{metric}_high"))
    interval = "" if low is None or high is None else f" [{format_value(low)}, {format_value(high)}]"
    return format_value(value) + interval


def format_value(value: Any) -> str:
    """Format a float with four digits, an int with separators, None as a dash, and any other value as one line."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else write_inert(str(value))
