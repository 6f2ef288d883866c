"""The page's sections: the content that the template shows in each, and the charts by the id of their element.

A section without content gives the reason instead.
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
    """A section as the template needs it."""

    charts: dict[str, figure] = field(default_factory=dict)
    shown: Any = None
    reason: str = ""  # why there is nothing to show


def show_few_labels(inputs: Inputs) -> Section:
    """Draw a chart of every probe that was measured from few labels."""
    drawn = {}
    for name, probe in inputs.probes.items():
        measured = numbers.select_measured(probe)
        if places := charts.list_label_places(measured):
            drawn[f"few-labels-{name}"] = charts.draw_few_labels(numbers.name_probe(name), measured, places)
    return Section(drawn, reason="" if drawn else explain_no_classifier(inputs))


def explain_no_classifier(inputs: Inputs) -> str:
    """Explain why no classifier was measured, in the words of the first classifier that was skipped, if one was."""
    reasons = [numbers.find_skip_reason(inputs.probes[name]) for name in numbers.CLASSIFIERS if name in inputs.probes]
    reason = next(filter(None, reasons), None)
    return f"Not measured: {reason}." if reason else NOT_ASKED


def show_map(inputs: Inputs, params: Report) -> Section:
    """Draw the map, and export the data of it that page.js needs."""
    limits = {"images": params.map_images, "neighbours": params.neighbours, "seed": params.seed}
    drawn = atlas.make_atlas(inputs.table, inputs.class_names, **limits)
    if not len(drawn.rows):
        return Section(reason="The store holds no image.")
    pictures = read_pictures(inputs.store, drawn.rows, MAP_BYTES)
    images = [pictures[int(row)] for row in drawn.rows]
    chart = atlas.draw_map(drawn, inputs.table.ids[drawn.rows].tolist(), images, inputs.class_names, inputs.tiny)
    split = "test " if (inputs.table.splits[drawn.rows] == "test").all() else ""
    shown = {"legend": atlas.list_legend(drawn, inputs.class_names), "what": f"{len(drawn.rows):,} {split}images"}
    return Section({"map": chart}, shown | {"script": atlas.export_for_script(drawn)})


def show_mistakes(inputs: Inputs, params: Report) -> Section:
    """Show the commonest mistakes and the confusion matrix of the headline's classifier."""
    probe = numbers.choose_headline(inputs.probes)
    if probe is None:
        return Section(reason=explain_no_classifier(inputs))
    predictions = inputs.read_predictions(probe)
    if predictions is None:
        return Section(reason=f"No predictions of {numbers.name_probe(probe)} stand among the outputs.")
    actual, predicted = predictions.actual, predictions.predicted
    commonest = confusions.find_commonest(actual, predicted, params.confusions)
    rows = np.array([inputs.row_of[name] for name in predictions.ids])
    wanted = [int(rows[place]) for mistake in commonest for place in mistake.places[: confusions.PICTURES]]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES)
    matrix = confusions.draw_matrix(f"All {len(rows):,} test images", actual, predicted, inputs.class_names)
    wrong = int((actual != predicted).sum())
    shown = {
        "probe": numbers.name_probe(probe),
        "mistakes": confusions.describe_mistakes(commonest, rows, pictures, inputs.class_names),
        "wrong": wrong,
    }
    return Section({"confusion": matrix}, shown | {"images": len(rows)})


def show_nearest(inputs: Inputs, params: Report) -> Section:
    """Show a few images, each with the images nearest to it."""
    if not len(inputs.table.ids):
        return Section(reason="The store holds no image.")
    chosen = gallery.choose_queries(inputs.table, params.queries, params.neighbours, params.seed)
    wanted = [int(row) for rows in chosen for row in rows.ravel()]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES)
    return Section(
        shown=gallery.make_neighbourhoods(
            chosen, inputs.table, pictures, inputs.class_names, inputs.read_average_precision()
        ),
    )


def show_numbers(inputs: Inputs) -> Section:
    """Show the table of all metrics, and the curves of retrieval and verification if these ran."""
    drawn = {}
    if precision := inputs.curve("retrieval", "precision"):
        names = ("rank", "share of the right class")
        drawn["precision"] = charts.draw_curve("Retrieval: precision by rank", precision, names)
    if roc := inputs.curve("verification", "roc"):
        names = ("false accepts, of pairs of two classes", "true accepts")
        drawn["roc"] = charts.draw_curve("Verification: same class or not", roc, names, x_axis_type="log")
    return Section(drawn, {"groups": numbers.tabulate(inputs.probes)})


def show_pretraining(inputs: Inputs) -> Section:
    """Show the curves of pretraining and its final health."""
    found = training.draw_charts(inputs.pretrain_curve)
    return Section({f"curve-{name}": chart for name, chart in found.items()}, training.list_health(inputs.pretrain))


def show_checks(inputs: Inputs) -> Section:
    """Show what the images are, and what is wrong with them."""
    drawn = {}
    if 1 < inputs.data["classes"] <= charts.CLASSES:
        drawn["classes"] = charts.draw_class_counts(inputs.data["by_class"])
    return Section(drawn, dataset.describe_images(inputs.data))
