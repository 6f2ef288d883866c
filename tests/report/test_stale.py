"""What a probe wrote goes when it is no longer asked for, and DVC finds everything up to date afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from components.report.stale import remove_stale
from tests.conftest import ROOT, set_params

OUTPUTS = ("metrics/{}.json", "predictions/{}.parquet", "plots/{}/curve.csv")
GRAPH = f"""
stages:
  evaluate:
    matrix:
      probe: ${{evaluate.probes}}
    cmd: >-
      mkdir -p metrics predictions plots/${{item.probe}} && echo '{{"byol": 1}}' > metrics/${{item.probe}}.json
      && touch predictions/${{item.probe}}.parquet plots/${{item.probe}}/curve.csv
    metrics:
      - metrics/${{item.probe}}.json: {{cache: false}}
    outs:
      - predictions/${{item.probe}}.parquet
      - plots/${{item.probe}}
  report:
    cmd: {sys.executable} report.py
    deps: [metrics, predictions, plots]
    params: [evaluate.probes]
    outs: [index.html]
"""
REPORT = """
from pathlib import Path
from ruamel.yaml import YAML
from components.report.stale import remove_stale

asked = YAML().load(Path("params.yaml"))["evaluate"]["probes"]
remove_stale(Path("metrics"), Path("predictions"), Path("plots"), known=["knn", "linear"], asked=asked)
Path("index.html").write_text(" ".join(asked))
"""


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob("*/**/*") if path.is_file()}


def name_outputs(*probes: str) -> set[str]:
    return {output.format(probe) for output in OUTPUTS for probe in probes}


def test_a_probe_that_is_no_longer_asked_for_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in name_outputs("knn", "linear", "my_own"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    for _ in range(2):
        folders = (tmp_path / name for name in ("metrics", "predictions", "plots"))
        remove_stale(*folders, known=["knn", "linear", "logistic"], asked=["knn"])
    assert list_files(tmp_path) == name_outputs("knn", "my_own")
    assert not (tmp_path / "plots" / "linear").exists()
    printed = capsys.readouterr().out
    assert printed.count("metrics/linear.json") == 1
    assert printed.endswith("params.yaml no longer asks for linear\n")
    assert "knn" not in printed.replace(str(tmp_path), "")


def test_dvc_finds_everything_up_to_date_once_a_probe_has_gone_and_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path("dvc.yaml").write_text(GRAPH)
    Path("report.py").write_text(REPORT)
    Path("params.yaml").write_text("evaluate:\n  probes: [knn, linear]\n")
    with Repo.init() as repo:
        ran = []
        for probes in (["knn", "linear"], ["knn"], ["linear", "knn"]):
            set_params(Path("params.yaml"), {"evaluate.probes": probes})
            ran.append([stage.addressing for stage in repo.reproduce()])
            assert {
                file for file in list_files(tmp_path) if file.split("/")[0] in ("metrics", "predictions", "plots")
            } == (name_outputs(*probes) | {"plots/.gitignore", "predictions/.gitignore"})
            assert repo.status() == {}
            assert repo.reproduce() == []
    assert ran == [["evaluate@knn", "evaluate@linear", "report"], ["report"], ["evaluate@linear", "report"]]
