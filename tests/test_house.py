"""The house rules of CONTRIBUTING.md, held by tests: what dvc.yaml says and what the code does are the same thing."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from components import stage

ROOT = Path(__file__).parent.parent
COMPONENTS = ROOT / "components"
STAGES = sorted(path.stem for path in COMPONENTS.glob("*.py") if path.stem not in ("__init__", "stage"))
PROBES = YAML(typ="safe").load(ROOT / "params.yaml")["evaluate"]["probes"]
METHODS = [f"components/{package}" for package in ("byol", "networks", "objectives", "probes")]
DVC: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, and the names it takes from it, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def closure(path: Path) -> set[str]:
    """The project's own files that a module needs, itself included, as paths from the root."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        name = file.relative_to(ROOT).as_posix()
        if name not in found:
            found.add(name)
            modules = (ROOT / f"{module.replace('.', '/')}.py" for module in imports(file))
            waiting += [module for module in modules if module.is_file()]
    return found


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def roots(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(path)}


def test_every_stage_is_a_module_and_every_module_a_stage() -> None:
    assert sorted(DVC) == STAGES == ["embed", "evaluate", "fetch", "pretrain", "report"]


def test_dvc_itself_reads_the_stages_that_the_probes_in_params_make() -> None:
    with Repo(str(ROOT)) as repo:
        names = {stage.addressing for stage in repo.index.stages}
    assert names == {"fetch", "pretrain", "embed", "report"} | {f"evaluate@{probe}" for probe in PROBES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_namesake(stage: str) -> None:
    started_by = [f"${{{stage}.launcher}}"] if stage in ("pretrain", "embed") else ["python", "-m"]
    assert DVC[stage]["cmd"].split()[: len(started_by) + 1] == [*started_by, f"components.{stage}"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_it_imports_and_on_no_other(stage: str) -> None:
    deps = {dep for dep in DVC[stage]["deps"] if dep.endswith(".py")}
    assert deps == closure(COMPONENTS / f"{stage}.py")


def test_files_beside_the_code_are_deps_too() -> None:
    others = {p.relative_to(ROOT).as_posix() for p in COMPONENTS.rglob("*") if p.suffix not in (".py", ".pyc", "")}
    assert others <= {dep for stage in DVC.values() for dep in stage["deps"]}


@pytest.mark.parametrize("stage", STAGES)
def test_the_flow_finds_retries_and_time_limit_at_every_stage(stage: str) -> None:
    assert set(DVC[stage]["meta"]) == {"retries", "minutes", "tags"}
    assert DVC[stage]["desc"]


def test_paths_stand_in_vars_only() -> None:
    paths = YAML(typ="safe").load(ROOT / "dvc.yaml")["vars"][0]["path"]
    text = (ROOT / "dvc.yaml").read_text().split("stages:", 1)[1]
    for path in paths.values():
        assert not re.search(rf"(?<![\w./}}{{@]){re.escape(path)}/", text), f"{path} is written out"


def test_packages_import_nothing_by_themselves() -> None:
    for path in python_files("components", "pipelines"):
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            assert all(isinstance(node, ast.Expr) for node in body), path


@pytest.mark.parametrize("path", python_files(*METHODS), ids=str)
def test_the_method_knows_neither_files_nor_tools(path: Path) -> None:
    forbidden = {
        "ruamel",
        "yaml",
        "argparse",
        "pathlib",
        "os",
        "sys",
        "json",
        "csv",
        "dvc",
        "prefect",
        "PIL",
        "pyarrow",
    }
    assert not roots(path) & forbidden


@pytest.mark.parametrize("path", python_files("components"), ids=str)
def test_components_know_nothing_above_them(path: Path) -> None:
    assert not roots(path) & {"dvc", "prefect", "pipelines", "serving", "benchmarks", "tests"}
    others = {f"components.{stage}" for stage in STAGES} - {f"components.{path.stem}"}
    assert not imports(path) & others, "a stage imports a stage"


@pytest.mark.parametrize("path", python_files("pipelines"), ids=str)
def test_flows_know_stages_only_through_dvc(path: Path) -> None:
    assert not roots(path) & {"torch", "torchvision", "components", "albumentations", "sklearn"}
    names = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    assert not names & set(STAGES), "a stage named in Python"


def test_no_default_hides_in_the_types_of_params() -> None:
    for path in python_files("components/params"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign):
                        assert field.value is None, f"{path.name}: {ast.unparse(field)}"


def test_every_package_of_the_lock_has_a_hash_and_no_index_is_named() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9][^\n]*==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert len(pins) > 100
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock
    assert "index-url" not in lock


def test_the_record_of_the_recipe_is_of_this_recipe() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "recipe.json").read_text())
    params = stage.read_params(ROOT / "params.yaml").model_dump(mode="json")
    for section in ("data", "pretrain", "embed", "evaluate"):  # what decides its numbers
        assert record["params"][section] == params[section], "make bench"


def test_no_page_is_half_written() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md", *ROOT.glob("docs/*.md")):
        assert "@@" not in page.read_text(), page


def test_the_readme_says_what_the_record_says() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "recipe.json").read_text())
    readme = (ROOT / "README.md").read_text()
    rows = {
        "logistic regression, 2 labels a class": ("logistic", "accuracy_2_per_class"),
        "logistic regression, 10 labels a class": ("logistic", "accuracy_10_per_class"),
        "logistic regression, all labels": ("logistic", "accuracy"),
        "linear layer by SGD, all labels": ("linear", "accuracy"),
        "k nearest neighbours, all labels": ("knn", "accuracy"),
        "retrieval, mean average precision": ("retrieval", "map"),
    }
    for row, (probe, metric) in rows.items():
        mean, spread = (
            {encoder: 100 * record[part][probe][encoder][metric] for encoder in ("byol", "pixels", "random")}
            for part in ("mean", "spread")
        )
        byol = f"**{mean['byol']:.1f} ± {spread['byol']:.1f}**"
        assert f"| {row} | {byol} | {mean['pixels']:.1f} | {mean['random']:.1f} ± {spread['random']:.1f} |" in readme
