"""The page's sections: the content that the template shows in each, and the charts by the id of their element.

A section without content is left out of the page, with its link.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.plotting import figure

from components.features.encoders import OURS
from components.report import seen
from components.report.page import (
    atlas,
    charts,
    confusions,
    dataset,
    gallery,
    headline,
    numbers,
    reliability,
    suspects,
    theme,
    training,
)
from components.report.page.inputs import Inputs
from components.report.page.pictures import read_pictures
from components.report.params import Report
from components.report.words import count
from components.stage.errors import InputError
from components.stage.shown import show_name

MAP_BYTES, GALLERY_BYTES = 4_000_000, 1_000_000  # of pictures, before base64: the page stays below 15 MB


@dataclass(frozen=True)
class Section:
    """A section as the template needs it."""

    charts: dict[str, figure] = field(default_factory=dict)
    shown: Any = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.charts and not self.shown


def show_few_labels(inputs: Inputs) -> Section:
    """Draw a chart of every probe that was measured from few labels, each with what was asked and not measured."""
    drawn, left_out = {}, {}
    for name, probe in inputs.probes.items():
        measured = numbers.select_measured(probe)
        if places := charts.list_label_places(measured):
            drawn[f"few-labels-{name}"] = charts.draw_few_labels(numbers.name_probe(name), measured, places)
            left_out[f"few-labels-{name}"] = numbers.spell_left_out(inputs.read_left_out(name), charts.FEW_LABELS)
    return Section(drawn, left_out)


def show_map(inputs: Inputs, params: Report) -> Section:
    """Draw the map, and export the data of it that page.js needs."""
    limits = {"images": params.map_images, "neighbours": params.neighbours, "seed": params.seed}
    drawn = atlas.make_atlas(inputs.table, inputs.class_names, **limits)
    if len(drawn.rows) < 2:
        return Section()
    pictures = read_pictures(inputs.store, drawn.rows, MAP_BYTES, inputs.shape)
    images = [pictures[int(row)] for row in drawn.rows]
    chart = atlas.draw_map(drawn, inputs.table.ids[drawn.rows].tolist(), images, inputs.class_names, inputs.tiny)
    split = "test " if (inputs.table.splits[drawn.rows] == "test").all() else ""
    shown = {"what": count(len(drawn.rows), f"{split}image(s)"), "legend": atlas.list_legend(drawn, inputs.class_names)}
    shown |= {"others": [theme.escape_tex(kind) for kind in atlas.list_others(drawn, inputs.class_names)]}
    return Section({"map": chart}, shown | {"script": atlas.export_for_script(drawn)})


def show_mistakes(inputs: Inputs, params: Report) -> Section:
    """Show the commonest mistakes and the confusion matrix of the headline's classifier."""
    probe = headline.choose_classifier(inputs.probes)
    predictions = inputs.read_predictions(probe) if probe else None
    if probe is None or predictions is None:
        return Section()
    actual, predicted = predictions.actual, predictions.predicted
    commonest = confusions.find_commonest(actual, predicted, params.confusions)
    rows = np.array([inputs.row_of[name] for name in predictions.ids])
    wanted = [int(rows[place]) for mistake in commonest for place in mistake.places[: confusions.PICTURES]]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES, inputs.shape)
    matrix = confusions.draw_matrix(count(len(rows), "test image(s)"), actual, predicted, inputs.class_names)
    wrong = int((actual != predicted).sum())
    shown = {
        "probe": numbers.name_probe(probe),
        "mistakes": confusions.describe_mistakes(commonest, rows, pictures, inputs.class_names),
        "wrong": wrong,
    }
    return Section({"confusion": matrix}, shown | {"images": len(rows)})


def show_classifier(inputs: Inputs) -> Section:
    """Show what the classifier's probabilities are worth, or why there is none; nothing where none was asked for."""
    metrics = inputs.classifier.get(OURS)
    if metrics is None:
        return Section()
    columns = inputs.reliability
    drawn = {"reliability": reliability.draw_reliability(columns)} if columns["images"] else {}
    return Section(drawn, reliability.describe_classifier(metrics, columns))


def show_nearest(inputs: Inputs, params: Report) -> Section:
    """Show a few images, each with the images nearest to it."""
    if len(inputs.table.ids) < 2:
        return Section()
    chosen = gallery.choose_queries(inputs.table, params.queries, params.neighbours, params.seed)
    wanted = [int(row) for rows in chosen for row in rows.ravel()]
    pictures = read_pictures(inputs.store, wanted, GALLERY_BYTES, inputs.shape)
    return Section(
        shown=gallery.make_neighbourhoods(
            chosen, inputs.table, pictures, inputs.class_names, inputs.read_average_precision()
        ),
    )


def show_suspects(inputs: Inputs, params: Report) -> Section:
    """Show the worst of what the stage labels found, by each encoder; nothing where it was not asked for."""
    ids = suspects.list_ids(inputs.suspects, params.suspects)
    if unknown := [name for name in ids if name not in inputs.row_of]:
        raise InputError(
            f"suspects: {show_name(unknown[0])} is no image in {inputs.store.folder}; `dvc repro labels` writes them"
        )
    rows = {name: inputs.row_of[name] for name in ids}
    pictures = read_pictures(inputs.store, rows.values(), GALLERY_BYTES, inputs.shape)
    addresses = {name: pictures[row] for name, row in rows.items()}
    return Section(shown=suspects.describe_suspects(inputs.suspects, addresses, params.suspects))


def show_numbers(inputs: Inputs) -> Section:
    """Show the table of all metrics, and the curves of retrieval and verification if these ran."""
    drawn = {}
    if precision := inputs.curve("retrieval", "precision"):
        names = ("rank", "share of the right class")
        drawn["precision"] = charts.draw_curve("Retrieval: precision by rank", precision, names)
    if roc := inputs.curve("verification", "roc"):
        names = ("false accepts, of pairs of two classes", "true accepts")
        drawn["roc"] = charts.draw_curve("Verification: same class or not", roc, names, x_axis_type="log")
    groups = [
        numbers.tabulate(name, probe, inputs.read_scores(name)) | {"notes": list_notes(name, inputs)}
        for name, probe in inputs.probes.items()
    ]
    cells = [cell for group in groups for row in group["rows"] for cell in row["cells"]]
    return Section(drawn, {"groups": groups, "intervals": any(cell["interval"] for cell in cells)})


def list_notes(probe: str, inputs: Inputs) -> list[str]:
    """List what is said of a probe's numbers: what it scores on, what of that was trained on, and what is left out."""
    left_out = numbers.spell_left_out(inputs.read_left_out(probe))
    return [note for note in (seen.describe_probe(probe, inputs), left_out) if note]


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
