"""README.md of models/encoder: what this encoder is, what it was made from, what it is worth and how to use it.

For whoever finds the folder without this project. The headings are those of Mitchell et al.'s model cards (arXiv
1810.03993), the lines above them those that Hugging Face reads. The text stands in card.md.j2.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.encoder.saved import Config
from components.features.encoders import in_order, metric_names
from components.report import objectives
from components.store.decode import MODES

TEMPLATE = Path(__file__).parent / "card.md.j2"
SPLITS = ("train", "test", "unlabelled")
CLASSES = 30  # at most, for which each has a line
CHANNELS = {1: "1 channel (gray)", 2: "2 channels (gray, alpha)", 3: "3 channels (RGB)", 4: "4 channels (RGB, alpha)"}
FINDINGS = {
    "rejected": "files not stored",
    "odd": "odd images",
    "repeated": "images that repeat another",
    "repeated_with_other_labels": "images under several labels",
    "nearly_repeated": "images nearly the same as another",
    "dropped": "images left out of those to train on, since they also stand among the test images",
    "classes_without_train": "classes without an image to train on",
    "classes_without_test": "classes without a test image",
}
LEAKS = {"leaked": "the same as one to train on", "nearly_leaked": "nearly the same as one to train on"}
Metrics = Mapping[str, Any]


def write_card(
    path: Path,
    config: Config,
    *,
    data: Metrics,
    pretrain: Metrics,
    probes: Mapping[str, Mapping[str, Metrics]],
    revision: str,
) -> None:
    """Fill the card from the run: metrics/data.json, metrics/pretrain.json, and every probe's by the probe's name."""
    folder = FileSystemLoader(TEMPLATE.parent)
    environment = Environment(loader=folder, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    text = environment.get_template(TEMPLATE.name).render(
        **network(config),
        overview=overview(data, pretrain),
        splits=splits_of(data),
        classes=class_rows(data),
        findings=[f"{data[key]:,} {what}" for key, what in FINDINGS.items() if data.get(key)],
        evaluation=evaluation_data(data),
        probes=[section(name, by_encoder) for name, by_encoder in probes.items()],
        training=[(name, shown(value)) for name, value in pretrain.items()],
        revision=revision,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def network(config: Config) -> dict[str, Any]:
    """What the encoder takes and gives, and where it comes from."""
    provenance: dict[str, Any] = {
        "method": "BYOL",
        "torch": "unknown",
        "lock": None,
        "data": None,
    }
    provenance |= {"params": {}} | config.provenance
    images = config.images
    return {
        "config": config,
        "side": images.side,
        "mean": list(images.mean),
        "std": list(images.std),
        "channels": CHANNELS[images.channels],
        "mode": MODES[images.channels],
        "alpha": images.channels in (2, 4),
        "provenance": provenance,
        "taught": objectives.taught(provenance),
        "kept": objectives.kept(provenance),
        "tag": provenance["params"].get("objective", "byol"),
        "parameters_json": json.dumps(provenance["params"], indent=2),
    }


def overview(data: Metrics, pretrain: Metrics) -> list[tuple[str, str]]:
    """What there is: name and value."""
    sources = ", ".join(f"{one_line(name)} ({count:,})" for name, count in data.get("sources", {}).items())
    by_split = ", ".join(f"{data[split]:,} {split}" for split in splits_of(data))
    found = [
        ("images", f"{shown(data.get('images'))}: {by_split}; {shown(pretrain.get('images'))} of them trained on"),
        ("sources", sources),
        ("classes", shown(data.get("classes"))),
    ]
    return [(name, value) for name, value in found if value]


def evaluation_data(data: Metrics) -> str:
    """What the probes score on, and what is wrong with it."""
    if not data.get("test"):
        return "There are no test images."
    leaks = [f"; {data[key]:,} are {what}" for key, what in LEAKS.items() if data.get(key)]
    return f"{data['test']:,} test images of the same sources, which the training has not seen{''.join(leaks)}."


def splits_of(data: Metrics) -> list[str]:
    """Those that hold images."""
    return [split for split in SPLITS if data.get(split)]


def class_rows(data: Metrics) -> list[list[str]]:
    """Name and images of each split, where the classes are few."""
    rows = data.get("by_class", [])
    if not 1 < len(rows) <= CLASSES:
        return []
    return [[one_line(str(row["class"])), *(shown(row.get(split)) for split in splits_of(data))] for row in rows]


def section(name: str, by_encoder: Mapping[str, Metrics]) -> dict[str, Any]:
    """One probe's table, a row a metric and a column an encoder, and who was not measured, for what reason."""
    order = in_order(by_encoder)
    measured = {encoder: metrics for encoder, metrics in order.items() if "skipped" not in metrics}
    return {
        "name": name,
        "encoders": list(measured),
        "skipped": [(one, one_line(str(order[one]["skipped"]))) for one in order if one not in measured],
        "rows": [
            [one_line(metric), *(with_interval(metrics, metric) for metrics in measured.values())]
            for metric in metric_names(measured.values())
        ],
    }


def with_interval(metrics: Metrics, metric: str) -> str:
    """`0.9821 [0.9652, 0.9909]`."""
    value, low, high = (metrics.get(key) for key in (metric, f"{metric}_low", f"{metric}_high"))
    interval = "" if low is None or high is None else f" [{shown(low)}, {shown(high)}]"
    return shown(value) + interval


def shown(value: Any) -> str:
    """A number to four digits; whatever else as it is."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else one_line(str(value))


def one_line(text: str) -> str:
    """Fit for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
