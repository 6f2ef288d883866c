"""Stage report: everything that the pipeline made -> one page that opens without a network, and the model card."""

import json
from pathlib import Path
from typing import Any, Protocol

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.features.load import read_config
from components.report import objectives
from components.report.card import write_card
from components.report.page import numbers, sections, theme
from components.report.page.inputs import Inputs, read_metrics, read_probes
from components.report.page.pictures import preview
from components.report.params import Report
from components.report.revision import git_revision
from components.stage import command as stage
from components.store.store import Store

PAGE = Path(__file__).parent / "page"
BOKEH = Resources(mode="inline", components=["bokeh"])


class Asked(Protocol):
    """What the report knows of the section `evaluate`; its types are another stage's."""

    probes: tuple[str, ...]


def run(
    params: Report,
    evaluate: Asked,
    *,
    store: Path,
    encoder: Path,
    embeddings: Path,
    metrics: Path,
    predictions: Path,
    plots: Path,
    report: Path,
    card: Path,
) -> None:
    """Draw the page and write the model card."""
    data, pretrain = read_metrics(metrics / "data.json"), read_metrics(metrics / "pretrain.json")
    probes = read_probes(metrics, evaluate.probes)
    config = read_config(encoder)
    inputs = Inputs(data, pretrain, probes, Store(store), embeddings, predictions, plots)
    page = draw(inputs, params, config.provenance)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page, encoding="utf-8")
    write_card(card, config, data=data, pretrain=pretrain, probes=probes, revision=git_revision())
    print(f"{report}: {len(page) / 1e6:.1f} MB, open it in a browser")


def draw(inputs: Inputs, params: Report, provenance: dict[str, Any]) -> str:
    """The page."""
    found = {
        "few_labels": sections.few_labels(inputs),
        "map": sections.overview_map(inputs, params),
        "mistakes": sections.mistakes(inputs, params),
        "alike": sections.alike(inputs, params),
        "numbers": sections.every_number(inputs),
        "pretraining": sections.pretraining(inputs),
        "checks": sections.checks(inputs),
    }
    charts = {name: chart for section in found.values() for name, chart in section.charts.items()}
    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {}  # in the charts' own order: Bokeh reads a model before its mentions
    return environment.get_template("page.html.j2").render(
        bokeh=BOKEH.render_js(),
        style=(PAGE / "page.css").read_text(encoding="utf-8"),
        script=(PAGE / "page.js").read_text(encoding="utf-8"),
        charts=theme.items(charts),
        ink=theme.INK,
        tiles=numbers.tiles(inputs.probes, inputs.pretrain),
        data=inputs.data,
        pretrain=inputs.pretrain,
        tiny=inputs.tiny,
        views=preview(inputs.plots / "pretrain" / "views.png"),
        method=provenance.get("method", "BYOL"),
        taught=objectives.taught(provenance),
        provenance=json.dumps(provenance, indent=2),
        **found,
    )


if __name__ == "__main__":
    stage.main(run)
