"""The house rules of CONTRIBUTING.md, held by tests: what dvc.yaml says and what the code does are the same thing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from components.pretrain.params import OBJECTIVES
from tests.conftest import ROOT

from_yaml = YAML(typ="safe").load
DVC: dict[str, Any] = from_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS: dict[str, Any] = from_yaml(ROOT / "params.yaml")
STAGES = sorted(DVC)
PROBES: list[str] = sorted(path.stem for path in (ROOT / "components/probes").glob("[!_]*.py"))
STRATEGIES: list[str] = sorted(path.stem for path in (ROOT / "components/strategies").glob("[!_]*.py"))
ABOVE = {  # the rooms of components/, from the one that all stand on to those that nobody stands on
    "stage": (),
    "show": ("stage",),
    "store": ("stage",),
    "encoder": ("stage",),
    "learning": ("stage", "encoder"),
    "features": ("stage", "store", "encoder", "learning"),
    "fetch": ("stage", "store", "show"),
    "pretrain": ("stage", "store", "encoder", "learning", "show"),
    "embed": ("stage", "store", "encoder", "learning", "features", "show"),
    "evaluate": ("stage", "store", "encoder", "learning", "features", "show"),
    "classifier": ("stage", "store", "encoder", "learning", "features", "show"),
    "probes": ("stage", "store", "encoder", "learning", "features", "evaluate", "show"),
    "select": ("stage", "store", "encoder", "learning", "features", "show"),
    "strategies": ("stage", "store", "encoder", "learning", "features", "select", "show"),
    "labels": ("stage", "store", "learning", "features", "show"),
    "drift": ("stage", "store", "encoder", "learning", "features", "embed", "show"),
    "index": ("stage", "store", "features", "show"),
    "report": ("stage", "store", "encoder", "features", "show"),
    "flows": ("stage",),
} | dict.fromkeys(OBJECTIVES, ("stage", "encoder", "learning"))
OWN = ROOT / "components/encoder/own"  # the user's own networks, which pretrain imports by name
FLOWS = ("train", "compare", "registry", "retrain", "flows")  # the rooms of pipelines/; each may import those before it


def list_imports(path: Path) -> set[str]:
    """List every module that a file names in an import, and what it takes from it, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def list_own_files(path: Path) -> Iterator[Path]:
    """Yield the project's files that a file imports; a name may be a module or something in one."""
    for module in list_imports(path):
        file = ROOT / f"{module.replace('.', '/')}.py"
        if file.is_file():
            yield file


def collect_closure(*begin: Path) -> set[Path]:
    """Collect the project's own files that some files need, themselves included."""
    found: set[Path] = set()
    waiting = list(begin)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += list_own_files(file)
    return found


def list_python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def get_room(path: Path) -> str:
    """Name the folder below components/ or pipelines/ that a file stands in, or the file itself."""
    return path.relative_to(ROOT).parts[1]


def list_packages(path: Path) -> set[str]:
    return {module.split(".")[0] for module in list_imports(path)}


def list_code_deps(stage: str, named: str) -> list[Path]:
    """List the deps of a stage that are code; `named` is the objective, probe or strategy that is loaded by name."""
    texts = [
        re.sub(r"\$\{(pretrain\.objective|item\.probe|item\.strategy)\}", named, dep) for dep in DVC[stage]["deps"]
    ]
    return [ROOT / text for text in texts if text.startswith("components/")]


BY_NAME = {"pretrain": list(OBJECTIVES), "evaluate": PROBES, "select": STRATEGIES}  # what a stage loads by name
RUNS = [(stage, named) for stage in STAGES for named in BY_NAME.get(stage, [""])]


def list_entry_files(stage: str, named: str) -> list[Path]:
    """List the files at which the imports of a run begin: the stage, and what it loads by name."""
    files = {
        "pretrain": [f"{named}/objective.py", f"{named}/params.py"],
        "evaluate": [f"probes/{named}.py"],
        "select": [f"strategies/{named}.py"],
    }
    return [ROOT / "components" / file for file in (f"{stage}/__main__.py", *files.get(stage, []))]


def test_every_stage_is_a_room_that_can_be_run_and_is_in_the_graph() -> None:
    assert {"embed", "evaluate", "fetch", "pretrain", "report"} <= set(STAGES)
    runnable = {path.parent.name for path in (ROOT / "components").glob("*/__main__.py")}
    assert runnable - {"stage", "drift"} == set(STAGES), "these two are commands and no stages"
    for stage in STAGES:
        launcher = [f"${{{stage}.launcher}}"] if stage in ("pretrain", "embed") else ["python", "-m"]
        assert DVC[stage]["cmd"].split()[: len(launcher) + 1] == [*launcher, f"components.{stage}"]
        assert (ROOT / "components" / stage / "__main__.py").is_file()
        assert set(DVC[stage]["meta"]) == {"retries", "minutes", "tags"}, "the flow reads them"
        assert DVC[stage]["desc"]


def list_addresses(stage: str) -> list[str]:
    """List what DVC calls a stage: by its name, or once for every value of the list of params.yaml in its matrix."""
    if not (matrix := DVC[stage].get("matrix")):
        return [stage]
    (listed,) = matrix.values()
    section, key = listed.removeprefix("${").removesuffix("}").split(".")
    return [f"{stage}@{value}" for value in PARAMS[section][key]]


def test_dvc_itself_reads_the_stages_that_the_probes_in_params_make() -> None:
    with Repo(str(ROOT)) as repo:
        names = {stage.addressing for stage in repo.index.stages}
    assert names == {name for stage in STAGES for name in list_addresses(stage)}


def test_there_is_a_section_for_every_probe_and_a_probe_for_every_section() -> None:
    assert sorted(PARAMS["evaluate"].keys() - {"probes", "shared"}) == PROBES


def test_a_strategy_has_a_section_and_a_stage_that_reads_it() -> None:
    sections = [name for name, value in PARAMS["select"].items() if isinstance(value, dict)]
    assert sorted(sections) == STRATEGIES
    read = {key.removeprefix("select.") for key in DVC["select"]["params"]}
    assert read == PARAMS["select"].keys() - {"strategies", *STRATEGIES} | {"${item.strategy}"}


@pytest.mark.parametrize(("stage", "named"), RUNS)
def test_a_stage_depends_on_the_rooms_that_hold_all_it_imports(stage: str, named: str) -> None:
    """An edit of what it imports makes it stale; what is shown while it runs is no part of its result."""
    rooms = list_code_deps(stage, named)
    outside = {
        path.relative_to(ROOT).as_posix()
        for path in collect_closure(*list_entry_files(stage, named))
        if get_room(path) != "show" and not any(room in (path, *path.parents) for room in rooms)
    }
    assert not outside


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_two_to_six_folders_and_never_a_list_of_files(stage: str) -> None:
    deps = [dep for dep in DVC[stage]["deps"] if dep.startswith("components/")]
    files = [dep for dep in deps if dep.endswith(".py")]
    assert 2 <= len(deps) - len(files) <= 6
    loaded = {
        "evaluate": ["components/probes/${item.probe}.py"],
        "select": ["components/strategies/${item.strategy}.py"],
    }
    assert files == loaded.get(stage, [])
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 320


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_edit_of_what_it_does_not_import_retrains_an_encoder(objective: str) -> None:
    used = collect_closure(*list_entry_files("pretrain", objective))
    held = {path for room in list_code_deps("pretrain", objective) for path in room.rglob("*.py")}
    left = {path for path in held - used if path.name != "__init__.py" and OWN not in path.parents}
    unused = {path.relative_to(ROOT).as_posix() for path in left}
    assert unused == {"components/stage/__main__.py"}, "two lines by which people check params.yaml"


def test_caches_of_python_are_no_part_of_a_dep() -> None:
    """They come and go, and a stage whose dep is a folder would turn stale with them."""
    assert "__pycache__" in (ROOT / ".dvcignore").read_text().split()


def test_no_room_stands_on_one_above_it() -> None:
    assert sorted(ABOVE) == sorted(path.parent.name for path in (ROOT / "components").glob("*/__init__.py"))
    wrong = [
        f"{path.relative_to(ROOT)} imports {file.relative_to(ROOT)}"
        for path in list_python_files("components")
        for file in list_own_files(path)
        if len(path.relative_to(ROOT).parts) > 2
        if get_room(file) not in (get_room(path), *ABOVE[get_room(path)])
    ]
    assert not wrong


def draw_arrows(top: str) -> networkx.DiGraph:
    """Draw which room of components/ or pipelines/ imports which other."""
    graph = networkx.DiGraph()
    for path in list_python_files(top):
        below = (get_room(file) for file in list_own_files(path) if file.is_relative_to(ROOT / top))
        graph.add_edges_from((get_room(path), room) for room in below if room != get_room(path))
    return graph


@pytest.mark.parametrize("top", ["components", "pipelines"])
def test_there_is_no_circle_of_rooms(top: str) -> None:
    assert not list(networkx.simple_cycles(draw_arrows(top)))


def test_no_room_of_the_flows_stands_on_one_above_it() -> None:
    rooms = [(above, below) for above, below in draw_arrows("pipelines").edges if {above, below} <= set(FLOWS)]
    assert len(rooms) > 5
    assert all(FLOWS.index(above) > FLOWS.index(below) for above, below in rooms)


def test_paths_stand_in_vars_only() -> None:
    paths = from_yaml(ROOT / "dvc.yaml")["vars"][0]["path"]
    text = (ROOT / "dvc.yaml").read_text().split("\nstages:", 1)[1].split("\nplots:", 1)[0]  # where DVC has no vars
    for path in paths.values():
        assert not re.search(rf"(?<![\w./}}{{@]){re.escape(path)}/", text), f"{path} is written out"


def test_packages_import_nothing_by_themselves() -> None:
    for path in list_python_files("components", "pipelines", "serving"):
        if path.name == "__init__.py":
            assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body), path


def test_the_method_knows_neither_files_nor_tools() -> None:
    forbidden = {"ruamel", "yaml", "argparse", "pathlib", "os", "sys", "json", "csv", "PIL", "pyarrow"}
    rooms = [f"components/{room}" for room in ("learning", "encoder", "probes", "strategies", *OBJECTIVES)]
    rooms.append("components/features/judging")
    formulas = ("classify", "probe", "outcome")
    files = list_python_files(*rooms) + [ROOT / f"components/evaluate/{name}.py" for name in formulas]
    for path in (*files, ROOT / "components/drift/difference.py"):
        if path.name != "saved.py":  # the encoder's own files
            assert not list_packages(path) & forbidden, path


def test_only_a_command_reaches_up_and_only_by_name() -> None:
    """Prefect takes seconds to import: the two commands that can do without it load pipelines/flows at need."""
    reaching = {path for path in list_python_files("pipelines") if "import_module(" in path.read_text()}
    assert reaching == {ROOT / "pipelines/train/__main__.py", ROOT / "pipelines/retrain/__main__.py"}


def test_components_know_nothing_above_them() -> None:
    for path in list_python_files("components"):
        assert not list_packages(path) & {"dvc", "prefect", "pipelines", "serving", "benchmarks", "tests"}, path


def test_the_service_knows_versions_only_by_asking_a_process() -> None:
    """And nothing that runs in a night knows the service."""
    for path in list_python_files("serving"):
        assert not list_packages(path) & {"dvc", "gto", "prefect", "pipelines", "benchmarks", "tests"}, path
    for path in list_python_files("pipelines", "presets"):
        assert "serving" not in list_packages(path), path


def test_no_path_that_is_shared_knows_of_one_objective() -> None:
    """A new one is a room of its own, with its settings."""
    shared = [*list_python_files("components/pretrain"), *list_python_files("components/learning")]
    assert len(shared) > 30
    for path in shared:
        assert "article" not in path.read_text().lower(), path
        assert not list_imports(path) & {"components.byol.objective", "components.byol.params"}, path


def test_flows_know_stages_only_through_dvc() -> None:
    """Some paths in dvc.yaml have a stage's name; where one stands in Python, it names the path."""
    stages = set(STAGES) - from_yaml(ROOT / "dvc.yaml")["vars"][0]["path"].keys()
    for path in list_python_files("pipelines"):
        assert not list_packages(path) & {"torch", "torchvision", "components", "albumentations", "sklearn"}, path
        names = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not names & stages, f"{path}: a stage named in Python"


def test_one_module_and_the_registry_alone_know_what_dvc_is_inside() -> None:
    for path in list_python_files("pipelines"):
        if path != ROOT / "pipelines/train/graph.py" and get_room(path) != "registry":
            assert not list_packages(path) & {"dvc", "gto"}, path


def test_no_default_hides_in_the_types_of_params() -> None:
    files = [*ROOT.glob("components/*/params.py"), *ROOT.glob("components/flows/*.py")]
    assert len(files) > 12
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                for field in node.body:
                    assert not isinstance(field, ast.AnnAssign) or field.value is None, f"{path}: {ast.unparse(field)}"
