"""Tests that do what a user does with DVC: in real processes, in a clone with shrunken parameters."""

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.train import graph
from tests.conftest import Project, set_params

pytestmark = pytest.mark.slow

PROBES = ("knn", "linear", "logistic", "retrieval")
WEIGHTS = "models/encoder/encoder.safetensors"


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` ran, by what it printed."""
    return sorted(re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE))


def test_a_repro_makes_everything_that_the_readme_names(reproduced: Project) -> None:
    made = [WEIGHTS, "models/encoder/config.json", "models/encoder/encoder.onnx", "models/encoder/README.md"]
    made += [f"embeddings/{name}.parquet" for name in ("byol", "random", "pixels")]
    made += [f"metrics/{name}.json" for name in ("data", "pretrain", *PROBES)]
    made += [f"plots/{probe}/confusion.csv" for probe in PROBES]
    made += [f"predictions/{probe}.parquet" for probe in PROBES]
    made += [f"models/classifier/classifier.{kind}" for kind in ("onnx", "safetensors")]
    made += ["metrics/classifier.json", "plots/classifier/reliability.csv"]
    made += [
        "labelling/typiclust.csv",
        "reports/index.html",
        "plots/pretrain/views.png",
        "data/store/part-00000.parquet",
    ]
    made += ["index/images.parquet", "index/vectors.npy", "metrics/index.json"]
    made += ["suspects/byol.csv", "metrics/labels-byol.json"]
    assert [name for name in made if not (reproduced.root / name).is_file()] == []
    assert reproduced.run("git", "status", "--porcelain") == "", "a run leaves nothing that Git would pick up"


def test_the_report_of_a_real_run_shows_every_section_with_its_charts(reproduced: Project) -> None:
    """A section that went empty is seen by nobody who only asks whether the page was written."""
    page = (reproduced.root / "reports/index.html").read_text(encoding="utf-8")
    drawn = json.loads(re.search(r'<script type="application/json" id="charts">(.*?)</script>', page)[1])  # type: ignore[index]
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))
    charts = {name: re.findall(r'<div id="([\w-]+)"></div>', text) for name, text in sections.items()}
    readings = ("knn", "z_std", "rank_me", "projection_spread", "learning_rate", "tau")
    assert {name: sorted(found) for name, found in charts.items()} == {
        "few": sorted(f"few-labels-{probe}" for probe in ("knn", "linear", "logistic")),
        "atlas": ["map"],
        "confused": ["confusion"],
        "classifier": ["reliability"],
        "alike": [],
        "suspects": [],
        "numbers": ["precision"],
        "training": sorted(f"curve-{name}" for name in ("loss", *readings)),
        "images": ["classes"],
        "made": [],
    }
    assert sorted(chart["target_id"] for chart in drawn) == sorted(name for names in charts.values() for name in names)
    for chart in drawn:
        points = [values for values in list_columns(chart["doc"]) if len(values) > 0]
        assert points, f"{chart['target_id']} draws nothing"
    assert 'class="absent"' not in page, "nothing was left out"
    assert len(re.findall("<tr>", sections["numbers"])) > 15
    assert len(re.findall("<img", sections["alike"])) == 8 * 9
    assert "RankMe" in sections["training"]
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=["']https?://""", page), "it needs no network"


def list_columns(part: Any) -> Iterator[list[Any]]:
    """Yield every column of every data source of a chart."""
    if isinstance(part, dict):
        if part.get("name") == "ColumnDataSource":
            entries = part["attributes"]["data"].get("entries", [])
            yield from (values if isinstance(values, list) else [values] for _, values in entries)
        for value in part.values():
            yield from list_columns(value)
    elif isinstance(part, list):
        for value in part:
            yield from list_columns(value)


def test_a_probes_parameter_reruns_that_probe_and_the_report_only_and_going_back_computes_nothing(
    project: Project,
) -> None:
    assert ran(project.run("dvc", "repro")) == [], "nothing has changed"
    before = json.loads((project.root / "metrics/knn.json").read_text())
    project.change(evaluate__knn__k=1)
    assert ran(project.run("dvc", "repro")) == ["evaluate@knn", "report"]
    assert "evaluate.knn.k" in project.run("dvc", "params", "diff")
    after = json.loads((project.root / "metrics/knn.json").read_text())
    assert before != after
    assert "accuracy" in project.run("dvc", "metrics", "diff")
    project.run("dvc", "plots", "diff", "HEAD")
    page = (project.root / "dvc_plots" / "index.html").read_text()
    assert not re.search(r"""(src|href)=["']https?://""", page), "the page needs no network"
    assert "vegaEmbed" in page
    project.run("git", "checkout", "params.yaml")
    output = project.run("dvc", "repro")
    assert ran(output) == []
    assert json.loads((project.root / "metrics/knn.json").read_text()) == before


EVALUATIONS = {f"evaluate@{probe}" for probe in PROBES}
EVERYTHING_AFTER = {"embed", "classifier@byol", "labels@byol", "index@byol", "select@typiclust", "report"} | EVALUATIONS


@pytest.fixture(scope="module")
def editable(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the reproduced project for edits, each of which is taken back."""
    return reproduced.copy(tmp_path_factory.mktemp("editable"))


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        ("components/show/progress.py", set()),
        ("components/article/objective.py", set()),
        ("components/report/objectives.py", {"report"}),
        ("components/report/page/page.html.j2", {"report"}),
        ("components/probes/knn.py", {"evaluate@knn", "report"}),
        ("components/classifier/head.py", {"classifier@byol", "report"}),
        ("components/strategies/typiclust.py", {"select@typiclust"}),
        ("components/strategies/margin.py", set()),
        ("components/index/search.py", {"index@byol", "report"}),
        ("components/labels/confident.py", {"labels@byol", "report"}),
        ("components/features/load.py", EVERYTHING_AFTER),
        ("components/byol/objective.py", {"pretrain"} | EVERYTHING_AFTER),
        ("components/learning/views.py", {"pretrain"} | EVERYTHING_AFTER),
        ("components/fetch/splits.py", {"fetch", "pretrain"} | EVERYTHING_AFTER),
    ],
)
def test_an_edit_makes_stale_what_stands_on_it_and_nothing_else(
    editable: Project, edited: str, stale: set[str]
) -> None:
    """DVC is asked; stages that read what a stale stage writes count as stale too."""
    path = editable.root / edited
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"\n# an edit\n")
        found = set(graph.find_changes(editable.root))
        needs = {stage.name: set(stage.needs) for stage in graph.read_stages(editable.root)}
    finally:
        path.write_bytes(before)
    assert stale == {name for name in needs if name in found or list_upstream(name, needs) & found}


def list_upstream(name: str, needs: dict[str, set[str]]) -> set[str]:
    """Return all stages that a stage needs, and those that they need."""
    return needs[name] | {other for need in needs[name] for other in list_upstream(need, needs)}


@pytest.mark.parametrize(
    ("key", "value", "stale"),
    [
        ("pretrain.views.second", {"noise": 0.5}, "pretrain"),
        ("evaluate.logistic.few_label_c", 0.5, "evaluate@logistic"),
        ("labels.folds", 4, "labels@byol"),
        ("report.queries", 3, "report"),
        ("select.typiclust.neighbours", 5, "select@typiclust"),
        ("select.margin.c", 5.0, None),
        ("flow.at_once", 1, None),
    ],
)
def test_a_parameter_makes_stale_the_stage_that_reads_it(
    editable: Project, key: str, value: Any, stale: str | None
) -> None:
    path = editable.root / "params.yaml"
    before = path.read_bytes()
    try:
        set_params(path, {key: value})
        found = graph.find_changes(editable.root)
    finally:
        path.write_bytes(before)
    assert list(found) == ([] if stale is None else [stale])


def test_caches_of_python_make_nothing_stale(editable: Project) -> None:
    for folder in (editable.root / "components").rglob("__pycache__"):
        shutil.rmtree(folder)
    assert graph.find_changes(editable.root) == {}


def test_an_experiment_changes_one_number(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "--set-param", "pretrain.epochs=1", "--name", "short", "pretrain")
    assert "Ran experiment" in output
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    assert "short" in json.dumps(shown)
    assert json.loads((project.root / "metrics/pretrain.json").read_text())["epochs"] == 1
