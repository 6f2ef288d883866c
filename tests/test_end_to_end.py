"""What a user does, as a user does it: a real DVC, real processes, in a clone of its own with shrunken parameters."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.pipelines.tiny import below, left_after, started, wait_for

PROBES = ("knn", "linear", "logistic", "retrieval")
WEIGHTS = "models/encoder/encoder.safetensors"


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` ran, by what it printed."""
    return sorted(re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_repro_makes_everything_that_the_readme_names(reproduced: Project) -> None:
    made = [WEIGHTS, "models/encoder/config.json", "models/encoder/encoder.onnx", "models/encoder/README.md"]
    made += [f"embeddings/{name}.parquet" for name in ("byol", "random", "pixels")]
    made += [f"metrics/{name}.json" for name in ("data", "pretrain", *PROBES)]
    made += [f"plots/{probe}/confusion.csv" for probe in PROBES]
    made += [f"predictions/{probe}.parquet" for probe in PROBES]
    made += ["reports/index.html", "plots/pretrain/views.png", "data/store/part-00000.parquet"]
    assert [name for name in made if not (reproduced.root / name).is_file()] == []
    assert reproduced.run("git", "status", "--porcelain") == "", "a run leaves nothing that Git would pick up"


def test_a_second_repro_does_nothing(project: Project) -> None:
    output = project.run("dvc", "repro")
    assert ran(output) == []
    assert "Data and pipelines are up to date." in output


def test_a_probes_parameter_reruns_that_probe_and_the_report_only(project: Project) -> None:
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


def test_other_views_retrain(project: Project) -> None:
    before = digest(project.root / WEIGHTS)
    project.change(pretrain__views__second={"noise": 0.5})
    stages = ran(project.run("dvc", "repro"))
    assert stages == ["embed", *(f"evaluate@{probe}" for probe in PROBES), "pretrain", "report"]
    assert digest(project.root / WEIGHTS) != before


def test_the_same_seed_gives_the_same_bits(project: Project) -> None:
    before = digest(project.root / WEIGHTS)
    assert ran(project.run("dvc", "repro", "--force", "--single-item", "pretrain")) == ["pretrain"]
    assert digest(project.root / WEIGHTS) == before


def test_the_report_needs_no_network(reproduced: Project) -> None:
    page = (reproduced.root / "reports/index.html").read_text()
    assert "Bokeh.set_log_level" in page or "bokehjs" in page.lower()
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=["']https?://""", page)


def test_what_only_the_stage_can_know_is_said_in_one_line_by_the_flow(project: Project) -> None:
    project.change(pretrain__batch_size=2000)
    output = project.run("python", "-m", "pipelines.train", status=2)
    assert "params.yaml: pretrain.batch_size: 2000 is more than the 1349 images to train on" in output
    assert "Traceback" not in output


def test_going_back_to_the_committed_parameters_computes_nothing_again(project: Project) -> None:
    project.change(pretrain__views__second={"noise": 0.4})
    project.run("dvc", "repro", "pretrain")
    project.run("git", "checkout", "params.yaml")
    assert ran(project.run("dvc", "repro")) == []


def test_an_experiment_changes_one_number(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "--set-param", "pretrain.epochs=1", "--name", "short", "pretrain")
    assert "Ran experiment" in output
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    assert "short" in json.dumps(shown)
    assert json.loads((project.root / "metrics/pretrain.json").read_text())["epochs"] == 1


def test_a_slip_stops_the_run_and_loses_nothing(project: Project) -> None:
    before = digest(project.root / WEIGHTS)
    project.change(pretrain__tau_base=2)
    output = project.run("python", "-m", "pipelines.train", "--no-server", status=2)
    assert "params.yaml: pretrain.tau_base: Input should be less than or equal to 1, not 2" in output
    assert "Traceback" not in output
    assert digest(project.root / WEIGHTS) == before


def test_the_flow_without_a_server_finds_everything_up_to_date(project: Project) -> None:
    output = project.run("python", "-m", "pipelines.train", "--no-server")
    outcomes = re.findall(r"^│ (\S+)\s+│ (ran|up to date)\s+│$", output, re.MULTILINE)
    assert len(outcomes) == 8
    assert {outcome for _, outcome in outcomes} == {"up to date"}


@pytest.mark.parametrize("flag", [[], ["--no-server"]], ids=["prefect", "plain"])
def test_a_flow_runs_what_is_stale_and_ends_with_the_numbers(project: Project, flag: list[str]) -> None:
    project.change(evaluate__logistic__few_label_c=0.5)
    output = project.run("python", "-m", "pipelines.train", *flag)
    outcomes = dict(re.findall(r"^│ (\S+)\s+│ (ran|up to date)\s+│$", output, re.MULTILINE))
    assert {name for name, outcome in outcomes.items() if outcome == "ran"} == {"evaluate@logistic", "report"}
    assert outcomes["pretrain"] == "up to date"
    assert re.search(r"^logistic\s+accuracy\s+0\.\d{3} \.\d{3}-\.\d{3}", output, re.MULTILINE), "the metrics as a table"
    assert f"Report: {project.root / 'reports/index.html'}" in output
    assert "evaluate logistic:" in output, "the stage's own lines are passed on"
    for unwanted in ("Traceback", "database is locked", "Warning"):
        assert unwanted not in output


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_a_killed_flow_leaves_no_training_behind_and_the_next_goes_on_to_the_same_bits(project: Project) -> None:
    project.change(pretrain__epochs=12, pretrain__checkpoint_seconds=0)
    with started(project, "--no-server") as flow:
        wait_for(lambda: any((project.root / "scratch").glob("*/state.pt")), 120)
        processes = below(flow)
        flow.kill()
        assert left_after(processes, 10) == []
    assert "deleted" in project.run("dvc", "status"), "no lock is left"
    output = project.run("dvc", "repro", "--single-item", "pretrain")
    assert re.search(r"pretrain: going on after step [1-9]", output)
    before = digest(project.root / WEIGHTS)
    project.run("dvc", "repro", "--force", "--single-item", "pretrain")
    assert digest(project.root / WEIGHTS) == before
