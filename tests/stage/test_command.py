"""Tests that bad input in params.yaml gives one clear line each and exit status 2, before anything is written."""

import io
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.stage import command as stage
from components.stage.errors import InputError
from tests.conftest import ROOT, set_params


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def test_the_file_that_is_shipped_is_right(params: Path) -> None:
    assert stage.read_params(params).pretrain.epochs > 0


def test_params_cannot_be_changed_by_a_stage(params: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        stage.read_params(params).pretrain.epochs = 3


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("pretrain.epoch", 5, "pretrain.epoch: unknown key; did you mean 'epochs'?"),
        ("pretrian", {}, "pretrian: unknown key; did you mean 'pretrain'?"),
        ("evaluate.knn.zzz", 1, "evaluate.knn.zzz: unknown key; known here: k, temperature"),
        ("pretrain.epochs", "five", "pretrain.epochs: Input should be a valid integer, not 'five'"),
        ("pretrain.epochs", "5", "pretrain.epochs: Input should be a valid integer, not '5'"),
        ("pretrain.epochs", 2.5, "pretrain.epochs: Input should be a valid integer, not 2.5"),
        ("pretrain.epochs", True, "pretrain.epochs: Input should be a valid integer, not True"),
        ("pretrain.epochs", None, "pretrain.epochs: Input should be a valid integer, not None"),
        ("pretrain.epochs", 0, "pretrain.epochs: Input should be greater than or equal to 1, not 0"),
        ("pretrain.tau_base", 1.5, "pretrain.tau_base: Input should be less than or equal to 1, not 1.5"),
        ("pretrain.tau_base", float("nan"), "pretrain.tau_base: Input should be a finite number, not nan"),
        ("pretrain.views.first.flip", -1, "first.flip: Input should be greater than or equal to 0, not -1"),
        ("pretrain.views.second", {"flipp": 1}, "second.flipp: unknown key; did you mean 'flip'?"),
        ("pretrain.views.target", {"jitter": 0.0}, "pretrain.views.target.count: missing"),
        ("pretrain.views.first.blur_sigma", [2, 1], "first: blur_sigma needs two numbers above 0, the smaller first"),
        ("pretrain.images.std", [0.1, 0.2], "pretrain.images: mean and std need one number per channel"),
        ("pretrain.encoder.name", "resnet19", "pretrain.encoder.name: one of 'tiny_resnet', 'resnet18', "),
        ("pretrain.optimiser", {"learning_rate": 1.0}, "pretrain.optimiser.name: missing"),
        ("pretrain.encoder.blocks", 0, "pretrain.encoder.blocks: Input should be greater than or equal to 1, not 0"),
        ("pretrain.device", "gpu", "pretrain.device: auto, cpu, cuda, cuda:1 (and so on) or mps, not 'gpu'"),
        ("pretrain.objective", "simclr", "pretrain.objective: one of article, byol, not 'simclr'"),
        ("pretrain.objective", "learning", "pretrain.objective: one of article, byol, not 'learning'"),
        ("pretrain.launcher", "accelerate launch", "pretrain.launcher: 'python -m', or 'torchrun', its options and "),
        ("data.sources", [{"kind": "cats"}], "data.sources.0.kind: one of 'digits', 'cifar10', "),
        ("data.sources", [{"root": "cats"}], "data.sources.0.kind: missing"),
        ("data.test_fraction", 1, "data.test_fraction: Input should be less than 1, not 1"),
        ("evaluate.probes", ["knn", "svm"], "no probe is called 'svm'; there are knn, linear, logistic"),
        ("evaluate.probes", ["knn", "knn"], "evaluate: probes: each probe once"),
        ("evaluate.logistic.c_low", 1e6, "evaluate.logistic: c_low (1e+06) is above c_high (100000)"),
        ("evaluate.shared.labels_per_class", [2, 2], "evaluate.shared.labels_per_class: each number once"),
        ("pretrain.epochs", 1e30, "pretrain.epochs: Input should be a valid integer, not 1e+30"),
        (
            "pretrain.epochs",
            10**30,
            "epochs: Input should be less than or equal to 1000000, not a number of about 31 digi",
        ),
        ("pretrain.threads", 10**6, "pretrain.threads: Input should be less than or equal to 1024, not 1000000"),
        (
            "data.limits.max_bytes",
            2**63,
            "data.limits.max_bytes: Input should be less than 2147483648, not 92233720368",
        ),
        ("pretrain.views.first.crop_area", [1.0], "pretrain.views.first.crop_area: 2 or more entries, not [1.0]"),
        (
            "pretrain.views.first.crop_area",
            [1, 1, 1],
            "crop_area: Tuple should have at most 2 items after validation, n",
        ),
        (
            "pretrain.images.std",
            [1e-300],
            "pretrain.images.std.0: Input should be greater than or equal to 0.000001, not",
        ),
        ("pretrain.device", "x" * 10**5, "pretrain.device: String should have at most 20 characters, not 'xxx"),
        ("pretrain.objective", "\x1b[2J\u202e", r"one of article, byol, not '\x1b[2J\u202e'"),
        ("pretrain.encoder.name", "\x1b[2J", r"not '\x1b[2J'"),
        ("evaluate.probes", ["\n" * 50], r"no probe is called '\n\n"),
        ("pretrain.\x1b[2Jhead", 1, r"pretrain.\x1b[2Jhead: unknown key; did you mean 'head'?"),
        ("pretrain.epochs", [[[[[[[0]]]]]]], "pretrain.epochs: Input should be a valid integer, not [[[[[[[...]]]]]]]"),
        ("pretrain.epochs", {1: {None: 2}}, "pretrain.epochs: Input should be a valid integer, not {1: {None: 2}}"),
        ("evaluate.shared.draws", 3, "evaluate.shared.draws: Input should be greater than or equal to 10, not 3"),
    ],
)
def test_a_slip_is_named_with_its_key(params: Path, key: str, value: object, line: str) -> None:
    set_params(params, {key: value})
    with pytest.raises(InputError) as caught:
        stage.read_params(params)
    message = str(caught.value)
    assert line in message
    assert message.startswith(f"{params}: ")
    assert "\n" not in message, "said once, in one line"
    assert message.isprintable()
    assert len(message) < len(str(params)) + 350


@pytest.mark.parametrize(
    "launcher",
    [
        "python -m",
        "torchrun --standalone --nproc-per-node=8 -m",
        "srun --ntasks-per-node=1 torchrun --nnodes=2 --rdzv-endpoint=$HOST:29500 -m",
    ],
)
def test_a_stage_may_be_launched_alone_or_by_torchrun(params: Path, launcher: str) -> None:
    set_params(params, {"pretrain.launcher": launcher})
    assert stage.read_params(params).pretrain.launcher == launcher


def test_a_missing_key_is_named(params: Path) -> None:
    params.write_text(params.read_text().replace("  tau_base: 0.99", "# "))
    with pytest.raises(InputError, match=r"pretrain\.tau_base: missing"):
        stage.read_params(params)


def test_slips_of_several_sections_are_all_said_at_once(params: Path) -> None:
    set_params(params, {"pretrain.epochs": 0, "pretrain.objective": "simclr", "report.neighbours": "many"})
    with pytest.raises(InputError) as caught:
        stage.read_params(params)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1", "not YAML"), ("", "valid dictionary"), ("- 1", "valid dictionary")]
)
def test_a_file_that_is_no_mapping_is_named(params: Path, text: str, line: str) -> None:
    params.write_text(text)
    with pytest.raises(InputError, match=line) as caught:
        stage.read_params(params)
    assert "\n" not in str(caught.value)


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: cannot be read: No such file"):
        stage.read_params(tmp_path / "nowhere.yaml")


def test_the_second_view_is_the_first_but_for_what_it_says(params: Path) -> None:
    set_params(params, {"pretrain.views.first.rotate": 7, "pretrain.views.second": {"blur": 0.5}})
    views = stage.read_params(params).pretrain.views
    assert (views.first.rotate, views.first.blur) == (7, 0.0)
    assert (views.second.rotate, views.second.blur) == (7, 0.5)


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_stage_stops_with_status_2_and_writes_nothing(params: Path, tmp_path: Path) -> None:
    set_params(params, {"report.queries": 0})  # not even its own section
    flags = [
        part
        for name in ("labels", "store", "metrics", "findings", "scratch")
        for part in (f"--{name}", str(tmp_path / name))
    ]
    done = run_module("components.fetch", *flags, "--params", str(params))
    assert done.returncode == 2
    assert done.stderr == f"{params}: report.queries: Input should be greater than or equal to 1, not 0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("name", ["fetch", "pretrain", "embed", "evaluate", "index", "select", "report"])
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # other tests have imported it
def test_every_stage_says_how_to_call_it(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"components.{name}", run_name="__main__")  # as `python -m` does
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    assert "--params PATH" in help_text
    assert f"usage: python -m components.{name}" in help_text


def test_a_secret_that_is_cut_off_is_hidden_all_the_same(params: Path) -> None:
    set_params(params, {"pretrain.device": f"https://ada:{'S3CR' * 50}@example.org/"})
    with pytest.raises(InputError) as caught:
        stage.read_params(params)
    assert "S3CR" not in str(caught.value)


def test_what_harms_a_terminal_is_escaped_and_a_long_line_cut(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with stage.exit_on_error("fetch"):
            print("the class \x1b]0;pwned\x07 \u202egpj\r and a\tb")
            raise InputError(f"data: the class \x1b[31mred\nand one more\n{'x' * 10**5}")

    with pytest.raises(SystemExit) as ended:
        fail()
    printed = capsys.readouterr()
    assert printed.out == "the class \\x1b]0;pwned\\x07 \\u202egpj\\r and a\tb\n"
    first, second, third = printed.err.splitlines()
    assert (first, second) == ("data: the class \\x1b[31mred", "and one more")
    assert third.endswith("x (100,000 characters)")
    assert len(third) < 2100
    assert ended.value.code == 2


def test_what_a_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    with stage.exit_on_error("fetch"):
        print("2 classes: 猫 and dog")
    assert written.getvalue() == b"2 classes: \\u732b and dog\n"


def test_a_key_that_stands_twice_is_named_without_its_values(tmp_path: Path) -> None:
    """They may be secrets, as the address of a webhook."""
    (tmp_path / "params.yaml").write_text("notify:\n  webhook: S3CR\n  webhook: S3CR2\n")
    with pytest.raises(InputError, match=r'line 3: found duplicate key "webhook"$') as caught:
        stage.read_params(tmp_path / "params.yaml")
    assert "S3CR" not in str(caught.value)
