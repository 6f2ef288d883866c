"""Tests the stage as its user meets it: killed and begun again, collapsed, diverged, shared by two processes."""

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from components.encoder.saved import CONFIG, ONNX, START, WEIGHTS
from components.learning import device
from components.learning.engine import PLAIN, Way
from components.learning.replicas import Replica
from components.pretrain import __main__ as pretrain
from components.pretrain.checkpoint import Checkpoint
from components.pretrain.feeds import choose as feeds
from components.pretrain.provenance import hash_shards
from components.stage.command import read_params
from components.stage.errors import InputError, RunError
from components.store.store import Store
from tests.conftest import ROOT
from tests.pretrain.runs import Interrupted, Run, fetch_digits, small_run

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetch_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def new_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    return lambda **changes: small_run(tmp_path_factory.mktemp("run"), digits, **changes)


@pytest.fixture(scope="module")
def written(new_run: Callable[..., Run]) -> Run:
    """A run that nothing has stopped."""
    run = new_run()
    run.here()
    return run


@pytest.mark.slow
def test_killed_it_ends_with_the_same_bits(new_run: Callable[..., Run], written: Run) -> None:
    killed = new_run(pretrain__checkpoint_seconds=0.0)
    killed.kill_after_checkpoint()
    assert "going on after step" in killed.finish()
    whole_config, config = (json.loads((run.folder / "encoder/config.json").read_text()) for run in (written, killed))
    assert config["provenance"]["params"]["checkpoint_seconds"] == 0
    config["provenance"] = whole_config["provenance"]
    assert config == whole_config
    for name in ("encoder/encoder.safetensors", "encoder/encoder.onnx", "curve.csv", "views.png"):
        assert (killed.folder / name).read_bytes() == (written.folder / name).read_bytes(), name
    with (killed.folder / "live/dvclive/plots/metrics/loss.tsv").open() as file:
        assert [row["step"] for row in csv.DictReader(file, delimiter="\t")] == ["1", "2", "3", "4", "5", "6"]
    assert not list((killed.folder / "scratch").glob("*/state.pt")), "a finished run leaves nothing to go on from"


@pytest.mark.parametrize("flag", ["scratch", "encoder"])
def test_a_place_where_nothing_can_be_written_is_named_before_the_training(
    flag: str, new_run: Callable[..., Run]
) -> None:
    """The weights of a day have to go somewhere when it is over."""
    run = new_run()
    run.paths[flag].write_text("a file")
    with pytest.raises(InputError, match=f"/{flag}: nothing can be written there: .*name a folder"):
        run.here()


@pytest.mark.slow
def test_a_compiled_run_keeps_the_compilers_work(
    new_run: Callable[..., Run], still: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler's own folder is a temporary one: the next run would wait for it again."""
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)  # PyTorch sets it in this process at its first use
    changes = {"pretrain__device": "cpu", "pretrain__compile": "always", "pretrain__epochs": 1}
    run = new_run(**changes, pretrain__encoder__widths=[4], pretrain__views__first=still)
    printed = run.finish()
    assert "pretrain: compiled in" in printed
    assert f"is kept in {run.folder / 'scratch' / 'compiler'}" in printed
    assert list((run.folder / "scratch" / "compiler").rglob("*.so"))


@pytest.mark.parametrize("free", [(10**12, 0), (0, 10**12)], ids=["little is free now", "much is free now"])
def test_a_run_that_goes_on_keeps_its_feed_whatever_memory_is_free_now(
    free: tuple[int, int],
    new_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other feed would show the images in another order, and end with another encoder."""
    whole, cut = (new_run(pretrain__feed__workers=0, pretrain__checkpoint_seconds=0.0) for _ in range(2))
    monkeypatch.setattr(pretrain, "export_onnx", lambda *_, **__: None)  # which takes seconds
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: free[0])
    whole.here()
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "Observer", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            cut.here()
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: free[1])
    capsys.readouterr()
    cut.here()
    assert "going on after step 15" in capsys.readouterr().out
    assert cut.results() == whole.results()


def test_an_interrupt_is_one_line(new_run: Callable[..., Run]) -> None:
    run = new_run(pretrain__epochs=1000)
    process = run.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("pretrain: "):
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "pretrain: interrupted"
    assert "Traceback" not in said


def test_a_checkpoint_of_other_parameters_is_not_taken_up(digits: Path) -> None:
    params = read_params(ROOT / "params.yaml").pretrain
    keys = {
        pretrain.identify_run(one, Store(digits), torch.device("cpu"), Replica(0, 1), PLAIN)
        for one in (params, params.model_copy(update={"seed": 1}), params.model_copy(update={"epochs": 81}))
    }
    assert len(keys) == 3


def test_what_is_written(written: Run) -> None:
    metrics = json.loads(written.paths["metrics"].read_text())
    assert metrics["images"] == 1349
    assert {"loss", "knn", "z_std", "rank_me", "alignment", "uniformity", "projection_spread"} <= metrics.keys()
    assert {"seconds", "images_per_second", "peak_memory_bytes", "gradient_norm"} <= metrics.keys()
    assert 0 < metrics["knn"] <= 1
    rows = list(csv.DictReader(written.paths["curve"].open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [bool(row["knn"]) for row in rows] == [False, True] * 3
    assert float(rows[-1]["loss"]) == pytest.approx(metrics["loss"])
    assert (written.folder / "live/dvclive/metrics.json").is_file()
    assert list((written.folder / "live/tensorboard").glob("events.*"))
    assert sorted(path.name for path in written.paths["encoder"].iterdir()) == sorted((CONFIG, ONNX, START, WEIGHTS))
    made_of = json.loads((written.paths["encoder"] / CONFIG).read_text())["provenance"]
    assert (made_of["data"], len(made_of["lock"])) == (hash_shards(Store(written.store).shards), 64)


def test_the_columns_of_byol_stay_as_they_were(written: Run) -> None:
    columns = next(csv.reader(written.paths["curve"].open()))
    assert columns[:5] == ["epoch", "loss", "learning_rate", "tau", "gradient_norm"]
    assert columns[5:] == ["z_std", "rank_me", "alignment", "uniformity", "projection_spread", "knn"]


@pytest.mark.slow
def test_two_processes_train_one_encoder_and_go_on_after_a_kill(new_run: Callable[..., Run]) -> None:
    short = {"pretrain__epochs": 3, "pretrain__watch__every_epochs": 3, "pretrain__watch__loggers": []}
    whole = new_run(**short)
    said = whole.finish(*TORCHRUN)
    assert said.count("feed: ") == 1, "one process speaks"
    assert "Warning" not in said
    killed = new_run(**short, pretrain__checkpoint_seconds=0.0)
    killed.kill_after_checkpoint(*TORCHRUN)
    said = killed.finish(*TORCHRUN)
    assert "going on after step" in said
    assert "another process" not in said, "the processes that torchrun had started ended with it"
    weights = "encoder/encoder.safetensors"
    assert (killed.folder / weights).read_bytes() == (whole.folder / weights).read_bytes()
    assert (killed.folder / "curve.csv").read_bytes() == (whole.folder / "curve.csv").read_bytes()


def test_half_precision_that_auto_took_is_another_run(monkeypatch: Any, digits: Path) -> None:
    """Moved to a processor without AMX, a run would else go on in another precision."""
    params = read_params(ROOT / "params.yaml").pretrain.model_copy(update={"precision": "auto"})
    keys = []
    for there in (True, False):
        monkeypatch.setattr(device, "has_amx", lambda there=there: there)
        keys.append(pretrain.identify_run(params, Store(digits), torch.device("cpu"), Replica(0, 1), PLAIN))
    assert keys[0] != keys[1]


def test_steps_that_are_run_in_another_way_are_another_run(digits: Path) -> None:
    """Installing a compiler in mid-run would else change the bits without a word."""
    params, store = read_params(ROOT / "params.yaml").pretrain, Store(digits)
    ways = [PLAIN, Way(compiled=True, recorded=False), Way(compiled=False, recorded=True)]
    keys = {pretrain.identify_run(params, store, torch.device("cpu"), Replica(0, 1), way) for way in ways}
    assert len(keys) == 3


def test_processes_that_find_different_checkpoints_do_not_go_on(tmp_path: Path, monkeypatch: Any) -> None:
    """On machines that do not share the scratch folder each would train from a step of its own."""
    monkeypatch.setattr(pretrain.replicas, "broadcast_value", lambda step: step + 10)
    with pytest.raises(InputError, match="not what the first process has there"):
        pretrain.claim_and_load(Checkpoint(tmp_path, "key"), Replica(1, 2))


def test_room_is_asked_for_three_checkpoints_less_those_that_are_there(tmp_path: Path, monkeypatch: Any) -> None:
    """A new one is written beside the last two; a run that goes on has two already; a start is one more file."""
    state, asked = SimpleNamespace(objective=SimpleNamespace(encoder=torch.nn.Linear(4, 1, bias=False))), []
    monkeypatch.setattr(pretrain.loop, "remember", lambda _: {"losses": torch.zeros(1000)})
    monkeypatch.setattr(pretrain, "check_room", lambda needs, _: asked.append(list(needs.values())))
    pretrain.check_disk(state, tmp_path / "kept", tmp_path / "encoder", started=False)  # type: ignore[arg-type]
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "state.pt").write_bytes(bytes(4100))
    pretrain.check_disk(state, tmp_path / "kept", tmp_path / "encoder", started=True)  # type: ignore[arg-type]
    assert asked == [[12_000, 32], [7900, 48]], "what a training began with is a third file of weights"


def test_a_collapse_stops_the_run_early_and_says_why(new_run: Callable[..., Run]) -> None:
    """A rate at which the network answers every image alike within a few epochs."""
    run = new_run(pretrain__optimiser__learning_rate=50.0, pretrain__tau_base=0.0, pretrain__epochs=40)
    with pytest.raises(RunError, match=r"collapse after step \d+: .*pretrain\.tau_base too low \(0\)") as error:
        run.here()
    assert "\n" not in str(error.value)
    assert not run.paths["encoder"].exists(), "no half-trained encoder is left"


def test_a_loss_that_is_not_finite_stops_the_run(new_run: Callable[..., Run]) -> None:
    optimiser = {"name": "sgd", "learning_rate": 1e9, "momentum": 0.9, "weight_decay": 1.0, "warmup_epochs": 0.0}
    optimiser["decay"] = {"name": "constant"}
    with pytest.raises(RunError, match=r"the loss is not finite after step \d+: lower pretrain\.optimiser"):
        new_run(pretrain__optimiser=optimiser).here()


def test_a_batch_larger_than_the_images_is_refused(new_run: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match=r"pretrain\.batch_size: 2000 is more than the 1349 images"):
        new_run(pretrain__batch_size=2000).here()


def test_settings_that_do_not_suit_the_images_are_named_before_the_training(
    new_run: Callable[..., Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours on the digits' gray; the digits as they are shipped get no word. Both runs go on, to an early end."""

    def go_on(*_: object, **__: object) -> Way:
        raise RunError("goes on")

    monkeypatch.setattr(pretrain, "choose_way", go_on)
    coloured = {
        "side": 8,
        "read_side": 8,
        "range": None,
        "colours": None,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    said = []
    for changes in ({}, {"pretrain__images": coloured}):
        with pytest.raises(RunError, match="goes on"):
            new_run(**changes).here()
        said.append(capsys.readouterr().out.splitlines())
    assert said[0] == []
    assert said[1][0].startswith("pretrain: params.yaml: pretrain.images.mean: for colour images, but all ")
    assert "--from metrics/data.json" in said[1][1]
    assert len(said[1]) == 2
