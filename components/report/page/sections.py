"""The page's sections: what the template shows of each, and its charts by the id of their element.

A section that cannot be shown gives the reason instead.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.plotting import figure

from components.report.page import atlas, charts, confusions, dataset, gallery, numbers, training
from components.report.page.inputs import Inputs
from components.report.page.pictures import read_pictures
from components.report.params import Report

MAP_BYTES, GALLERY_BYTES = 4_000_000, 1_000_000  # of pictures, before base64: the page stays below 15 MB
NOT_ASKED = "Not measured: evaluate.probes in params.yaml names no classifier."


@dataclass(frozen=True)
class Section:
    """For the template."""

    charts: dict[str, figure] = field(default_factory=dict)
    shown: Any = None
    reason: str = ""  # why there is nothing


def few_labels(inputs: Inputs) -> Section:
    """A chart of every probe that was measured from few labels."""
    found = {}
    for name, probe in inputs.probes.items():
        measured = numbers.measured(probe)
        if places := charts.label_places(measured):
            found[f"few-labels-{name}"] = charts.few_labels(numbers.title(name), measured, places)
    return Section(found, reason="" if found else no_classifier(inputs))


def no_classifier(inputs: Inputs) -> str:
    """Why there is none: a probe's own words, if one was asked."""
    reasons = [numbers.reason(inputs.probes[name]) for name in numbers.CLASSIFIERS if name in inputs.probes]
    asked = next(filter(None, reasons), None)
    return f"Not measured: {asked}." if asked else NOT_ASKED


def overview_map(inputs: Inputs, params: Report) -> Section:
    """The map and what page.js must know of it."""
    limits = {"images": params.map_images, "neighbours": params.neighbours, "seed": params.seed}
    drawn = atlas.draw_up(inputs.table, inputs.names, **limits)
    if not len(drawn.rows):
        return Section(reason="The store holds no image.")
    pictures = read_pictures(inputs.store, drawn.rows, MAP_BYTES)
    images = [pictures[int(row)] for row in drawn.rows]
    chart = atlas.chart(drawn, inputs.table.ids[drawn.rows].tolist(), images, inputs.names, inputs.tiny)
    split = "test " if (inputs.table.splits[drawn.rows] == "test").all() else ""
    shown = {"legend": atlas.legend(drawn, inputs.names), "what": f"{len(drawn.rows):,} {split}images"}
    return Section({"map": chart}, shown | {"script": atlas.for_script(drawn)})


def mistakes(inputs: Inputs, params: Report) -> Section:
    """Of the headline's classifier."""
    probe = numbers.headline(inputs.probes)
    if probe is None:
        return Section(reason=no_classifier(inputs))
    judged = inputs.judged(probe)
    if judged is None:
        return Section(reason=f"No predictions of {numbers.title(probe)} stand among the outputs.")
    found = confusions.commonest(judged.actual, judged.predicted, params.confusions)
    rows = np.array([inputs.row_of[name] for name in judged.ids])
    wanted = [int(rows[place]) for one in found for place in one.places[: confusions.PICTURES]]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES)
    matrix = confusions.matrix(f"All {len(rows):,} test images", judged.actual, judged.predicted, inputs.names)
    wrong = int((judged.actual != judged.predicted).sum())
    shown = {
        "probe": numbers.title(probe),
        "mistakes": confusions.shown(found, rows, pictures, inputs.names),
        "wrong": wrong,
    }
    return Section({"confusion": matrix}, shown | {"images": len(rows)})


def alike(inputs: Inputs, params: Report) -> Section:
    """A few images and their nearest."""
    if not len(inputs.table.ids):
        return Section(reason="The store holds no image.")
    chosen = gallery.choose(inputs.table, params.queries, params.neighbours, params.seed)
    wanted = [int(row) for rows in chosen for row in rows.ravel()]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES)
    return Section(
        shown=gallery.shown(chosen, inputs.table, pictures, inputs.names, inputs.average_precision()),
    )


def every_number(inputs: Inputs) -> Section:
    """The table, and the curves of retrieval and verification where they ran."""
    found = {}
    if precision := inputs.curve("retrieval", "precision"):
        names = ("rank", "share of the right class")
        found["precision"] = charts.curve("Retrieval: precision by rank", precision, names)
    if roc := inputs.curve("verification", "roc"):
        names = ("false accepts, of pairs of two classes", "true accepts")
        found["roc"] = charts.curve("Verification: same class or not", roc, names, x_axis_type="log")
    return Section(found, {"groups": numbers.table(inputs.probes)})


def pretraining(inputs: Inputs) -> Section:
    """How it went."""
    found = training.charts(inputs.curve("pretrain", "curve"))
    return Section({f"curve-{name}": chart for name, chart in found.items()}, training.health(inputs.pretrain))


def checks(inputs: Inputs) -> Section:
    """What the images are, and what is wrong with them."""
    found = {}
    if 1 < inputs.data["classes"] <= charts.CLASSES:
        found["classes"] = charts.class_counts(inputs.data["by_class"])
    return Section(found, dataset.section(inputs.data))
