"""The stage report: turns all that the pipeline made into one page that opens without a network, and a model card."""

import json
from pathlib import Path
from typing import Any, Protocol

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.encoder.saved import Begun
from components.features.load import read_config
from components.report import objectives, seen, words
from components.report.card import write_card
from components.report.page import headline, sections, theme
from components.report.page.inputs import Inputs, check_predictions, read_probes
from components.report.page.measured import read_metrics
from components.report.page.pictures import read_preview
from components.report.page.suspects import read_suspects
from components.report.params import Report
from components.report.revision import read_git_revision
from components.report.stale import remove_stale, remove_stale_classifier, remove_stale_index, remove_stale_suspects
from components.report.verdict import Verdict, reach_verdict
from components.stage.command import main
from components.stage.disk import check_file
from components.stage.files import write_text
from components.store.store import Store

PAGE = Path(__file__).parent / "page"
LINKS = {  # section: its link's text
    "few": "Few labels",
    "atlas": "Map",
    "confused": "Mistakes",
    "classifier": "Classifier",
    "alike": "Alike",
    "suspects": "Suspects",
    "numbers": "Every number",
    "training": "Training",
    "images": "Images",
    "made": "Provenance",
}
CLASSIFIER = "classifier"  # the stage, and what its files are called
BOKEH = Resources(mode="inline", components=["bokeh"])


class EvaluateSection(Protocol):
    """The part of the section `evaluate` that the report uses; the section's own types belong to another stage."""

    probes: tuple[str, ...]

    @property
    def known_probes(self) -> list[str]:
        """The names of all probes, also of those that do not run."""
        ...


class EncodersSection(Protocol):
    """The part of the sections `classifier`, `index` and `labels` that the report uses."""

    encoders: tuple[str, ...]  # by whose features the stage runs


def run(
    params: Report,
    evaluate: EvaluateSection,
    classifier: EncodersSection,
    index: EncodersSection,
    labels: EncodersSection,
    *,
    store: Path,
    encoder: Path,
    embeddings: Path,
    metrics: Path,
    predictions: Path,
    plots: Path,
    suspects: Path,
    classifier_folder: Path,
    index_folder: Path,
    report: Path,
    card: Path,
) -> None:
    """Write the page and the model card."""
    for file in (report, card):
        check_file(file)
    asked = [*evaluate.probes, *([CLASSIFIER] if classifier.encoders else [])]
    remove_stale(metrics, predictions, plots, known=[*evaluate.known_probes, CLASSIFIER], asked=asked)
    remove_stale_classifier(classifier_folder, asked=classifier.encoders)
    remove_stale_index(metrics, index_folder, asked=index.encoders)
    remove_stale_suspects(metrics, suspects, asked=labels.encoders)
    data, pretrain = read_metrics(metrics / "data.json"), read_metrics(metrics / "pretrain.json")
    probes = read_probes(metrics, evaluate.probes)
    check_predictions(predictions, evaluate.probes)
    config = read_config(encoder)
    classified = read_metrics(metrics / f"{CLASSIFIER}.json") if classifier.encoders else {}
    found = read_suspects(suspects, metrics, labels.encoders)
    store_, folders = Store(store), (embeddings, predictions, plots)
    inputs = Inputs(data, pretrain, probes, classified, store_, config.images, *folders, found)
    reached = reach_verdict(inputs)
    page = render_page(inputs, params, reached, config.provenance, config.start)
    write_text(report, page)
    write_card(
        card,
        config,
        data=data,
        pretrain=pretrain,
        probes=probes,
        notes={name: sections.list_notes(name, inputs) for name in probes},
        verdict=reached.text,
        revision=read_git_revision(),
    )
    print(f"{report}: {len(page) / 1e6:.1f} MB, open it in a browser")
    print(reached.text)


def render_page(
    inputs: Inputs, params: Report, reached: Verdict, provenance: dict[str, Any], start: Begun | None
) -> str:
    """Return the page as HTML."""
    shown = {
        "few": sections.show_few_labels(inputs),
        "atlas": sections.show_map(inputs, params),
        "confused": sections.show_mistakes(inputs, params),
        "classifier": sections.show_classifier(inputs),
        "alike": sections.show_nearest(inputs, params),
        "suspects": sections.show_suspects(inputs, params),
        "numbers": sections.show_numbers(inputs),
        "training": sections.show_pretraining(inputs),
        "images": sections.show_checks(inputs),
    }
    shown = {name: section for name, section in shown.items() if not section.empty}
    charts = {name: chart for section in shown.values() for name, chart in section.charts.items()}
    links = {name: title for name, title in LINKS.items() if name in shown or name == "made"}
    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
    environment.policies[
        "json.dumps_kwargs"
    ] = {}  # keep the charts' order of keys: Bokeh reads a model before references to it
    environment.filters |= {"count": words.count, "breaks": words.allow_breaks}
    return environment.get_template("page.html.j2").render(
        bokeh=BOKEH.render_js(),
        style=(PAGE / "page.css").read_text(encoding="utf-8"),
        script=(PAGE / "page.js").read_text(encoding="utf-8"),
        charts=theme.serialise_charts(charts),
        ink=theme.INK,
        tiles=headline.make_tiles(inputs.probes, inputs.pretrain),
        data=inputs.data,
        pretrain=inputs.pretrain,
        tiny=inputs.tiny,
        views=read_preview(inputs.plots / "pretrain" / "views.png"),
        method=provenance.get("method", "BYOL"),
        taught=objectives.describe_teaching(provenance),
        start=start,
        provenance=json.dumps(provenance, indent=2),
        links=links,
        **dict.fromkeys(LINKS) | shown,
        verdict=reached,
        seen=seen.describe_test_images(inputs.data, inputs.probes),
    )


if __name__ == "__main__":
    main(run)
