"""Stage report: everything that the pipeline made -> one page that opens without a network."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import components as embed_charts
from bokeh.model import Model
from bokeh.plotting import figure
from bokeh.resources import INLINE
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components import stage
from components.data.embeddings import read_embeddings
from components.data.store import SPLITS, Store
from components.model.files import load_encoder
from components.page import charts, dataset
from components.page.pictures import Neighbourhood, Shown, data_address, nearest_by_cosine, thumbnail
from components.params.base import InputError
from components.params.evaluate import Evaluate
from components.params.report import Report

ENCODERS = ("byol", "pixels", "random")  # in this order wherever they stand side by side
OURS = "byol"
TEMPLATE = Path(__file__).parent / "page" / "page.html.j2"
Probes = dict[str, dict[str, dict[str, float]]]  # probe -> encoder -> metric -> value


def run(
    params: Report,
    evaluate: Evaluate,
    *,
    store: Path,
    encoder: Path,
    embeddings: Path,
    metrics: Path,
    plots: Path,
    report: Path,
) -> None:
    """Draw the page."""
    data, pretrain = read_metrics(metrics / "data.json"), read_metrics(metrics / "pretrain.json")
    probes: Probes = {probe: in_order(read_metrics(metrics / f"{probe}.json")) for probe in evaluate.probes}
    counts = label_counts(probes)
    opened = Store(store)
    figures: dict[str, Model] = {"loss": loss_chart(plots / "pretrain" / "curve.csv")}
    for probe, by_encoder in probes.items():
        figures[f"few_labels {probe}"] = charts.few_labels(probe, by_encoder, counts)
        pairs = read_confusion(plots / probe / "confusion.csv")
        figures[f"confusion {probe}"] = charts.confusion(probe, *pairs, opened.class_names)
    if 1 < data["classes"] <= charts.CLASSES:
        figures["classes"] = charts.class_counts(data["by_class"])
    script, divs = embed_charts(figures, theme=charts.THEME)
    page = template().render(
        scripts=f"{INLINE.render_js()}\n{script}",
        data=data,
        pretrain=pretrain,
        tiles=tiles(probes, counts, pretrain),
        encoders=list(next(iter(probes.values()))),
        rows=table_rows(probes, counts),
        few_labels=[divs[f"few_labels {probe}"] for probe in probes],
        confusions=[divs[f"confusion {probe}"] for probe in probes],
        loss=divs["loss"],
        views=data_address((plots / "pretrain" / "views.png").read_bytes()),
        neighbours=neighbourhoods(opened, embeddings / f"{OURS}.parquet", params),
        health=health_rows(pretrain),
        images=dataset.section(data, divs.get("classes", "")),
        provenance=json.dumps(load_encoder(encoder).config.provenance, indent=2),
    )
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page, encoding="utf-8")
    print(f"{report}: {len(page) / 1e6:.1f} MB, open it in a browser")


def read_metrics(path: Path) -> Any:
    """What another stage measured."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: missing; `dvc repro` writes it") from None


def template() -> Any:
    """The page, with everything escaped that is not said to be safe."""
    loader = FileSystemLoader(TEMPLATE.parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(TEMPLATE.name)


def in_order(by_encoder: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The encoders in the page's order."""
    return {name: by_encoder[name] for name in ENCODERS if name in by_encoder}


def label_counts(probes: Probes) -> list[int]:
    """The numbers of labels a class that were measured, ascending."""
    keys = [key for by_encoder in probes.values() for metrics in by_encoder.values() for key in metrics]
    return sorted({int(found[1]) for key in keys if (found := re.fullmatch(r"accuracy_(\d+)_per_class", key))})


def tiles(probes: Probes, counts: list[int], pretrain: dict[str, float]) -> list[dict[str, str]]:
    """The three numbers to read if one reads no more, of the probe that params.yaml names last: never of the best."""
    few = min(counts, key=lambda count: abs(count - 2))
    *_, probe = probes
    found = []
    for key, title in ((f"accuracy_{few}_per_class", f"with {few} labels a class"), ("accuracy", "with all labels")):
        others = [f"{name} {metrics[key]:.1%}" for name, metrics in probes[probe].items() if name != OURS]
        value = f"{probes[probe][OURS][key]:.1%}"
        found.append({"value": value, "title": f"{title} ({probe})", "note": ", ".join(others)})
    speed = f"{pretrain['images_per_second']:,.0f} images a second"
    found.append({"value": f"{pretrain['seconds']:.0f} s", "title": "of pretraining", "note": speed})
    return found


def table_rows(probes: Probes, counts: list[int]) -> list[dict[str, Any]]:
    """A row a probe and number of labels, a cell an encoder; the best is marked."""
    keys = [(str(count), f"accuracy_{count}_per_class") for count in counts] + [("all", "accuracy")]
    rows = []
    for probe, by_encoder in probes.items():
        for labels, key in keys:
            best = max(metrics[key] for metrics in by_encoder.values())
            cells = [
                {
                    "value": f"{metrics[key]:.1%}",
                    "interval": f"{metrics[f'{key}_low']:.1%} – {metrics[f'{key}_high']:.1%}",
                    "best": metrics[key] == best,
                }
                for metrics in by_encoder.values()
            ]
            rows.append({"probe": probe, "labels": labels, "cells": cells})
    return rows


def health_rows(pretrain: dict[str, float]) -> list[tuple[str, str, str]]:
    """What the run was like, and what is healthy."""
    return [
        (
            "epochs",
            f"{pretrain['epochs']}",
            f"{pretrain['seconds']:.0f} s, {pretrain['images_per_second']:,.0f} images/s",
        ),
        ("final loss", f"{pretrain['loss']:.3f}", "0 to 8"),
        ("z-std", f"{pretrain['z_std']:.3f}", "deviation of the normalised features, 0 when collapsed"),
        ("RankMe", f"{pretrain['rank_me']:.1f}", "effective dimensions of the features, 1 when collapsed"),
    ]


def loss_chart(path: Path) -> figure:
    """The loss curve that pretraining wrote."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return charts.loss_curve([int(row["epoch"]) for row in rows], [float(row["loss"]) for row in rows])


def read_confusion(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes of the test images."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([int(row["actual"]) for row in rows]), np.array([int(row["predicted"]) for row in rows])


def neighbourhoods(store: Store, path: Path, params: Report) -> list[Neighbourhood]:
    """A few random test images, and the train images nearest to them in the embedding."""
    table = read_embeddings(path)
    train, test = (np.flatnonzero(table.splits == split) for split in ("train", "test"))
    generator = np.random.default_rng(params.seed)
    queries = generator.choice(test, min(params.queries, len(test)), replace=False)
    nearest = nearest_by_cosine(table.features[queries], table.features[train], params.neighbours)
    rows = np.concatenate([queries, train[nearest.ravel()]])
    images = {int(rows[place]): encoded for place, encoded in store.pick(rows, SPLITS)}

    def shown(row: int) -> Shown:
        label = table.labels[row]
        return Shown(thumbnail(images[int(row)]), store.class_names[label] if label >= 0 else "")

    return [
        Neighbourhood(shown(query), [shown(train[place]) for place in places])
        for query, places in zip(queries, nearest, strict=True)
    ]


if __name__ == "__main__":
    stage.main(run)
