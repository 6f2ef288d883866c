"""A training that begins with a start ends with the same bits after a kill, and its outputs say what it began with."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components.encoder.saved import CONFIG, START, WEIGHTS, Config
from components.features.load import load_start
from components.learning.engine import PLAIN
from components.learning.replicas import ALONE
from components.pretrain import __main__ as pretrain
from components.pretrain.observer import Observer
from components.pretrain.provenance import hash_file
from components.pretrain.start.begin import read_start
from components.store.store import Store
from tests.conftest import Project
from tests.pretrain.runs import Interrupted
from tests.pretrain.start.files import draw_weights, save_zip
from tests.small import fill_store, make_settings

SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 8, "checkpoint_seconds": 0.0, "head": {"hidden": 8, "out": 4}}
SMALL |= {"encoder": {"name": "tiny_resnet", "widths": (8, 16), "blocks": 1}, "watch__loggers": ()}
SMALL |= {"watch__knn_queries": 0, "watch__collapse": 0.0, "views__first__noise": 0.2}


class InterruptedEarly(Interrupted):
    """Ends its run in the middle of the second of these short epochs."""

    last_step = 4


@pytest.fixture
def store(tmp_path: Path) -> Store:
    grays = [np.random.default_rng(n).integers(0, 256, (8, 8)) for n in range(24)]
    return fill_store(tmp_path / "store", grays)


def train(folder: Path, store: Store, observer: type[Observer] = Observer) -> Path:
    """Train from the file of weights beside `folder`, without the export, which takes seconds."""
    names = {"encoder": "encoder", "metrics": "metrics.json", "curve": "curve.csv", "views": "views.png"}
    paths = {flag: folder / name for flag, name in (names | {"scratch": "scratch", "live": "live"}).items()}
    starts = folder.parent / "starts"
    params = make_settings(start={"kind": "file", "path": str(starts / "weights.pt")}, **SMALL)
    with mock.patch.object(pretrain, "export_onnx"), mock.patch.object(pretrain, "Observer", observer):
        pretrain.run(params, store=store.folder, starts=starts, **paths)
    return folder / "encoder"


def test_a_killed_run_goes_on_to_the_same_bits(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "starts").mkdir()
    start = draw_weights()
    del start["1.bias"]
    save_zip(tmp_path / "starts" / "weights.pt", {"model": start})
    whole = train(tmp_path / "whole", store)
    said = capsys.readouterr().out
    assert "pretrain: start: taken: 0.weight, 1.*: 3 tensors, 3.*: 10 tensors, 4.*: 15 tensors from `model.`" in said
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", store, InterruptedEarly)
    cut = train(tmp_path / "cut", store)
    assert "going on after step 4" in capsys.readouterr().out
    assert all((cut / name).read_bytes() == (whole / name).read_bytes() for name in (WEIGHTS, START, CONFIG))

    config = Config.model_validate_json((whole / CONFIG).read_bytes())
    began, trained = load_file(whole / START), load_file(whole / WEIGHTS)
    assert all(torch.equal(began[name], tensor) for name, tensor in start.items())
    assert torch.equal(began["1.bias"], torch.zeros(8)), "as it was drawn"
    assert not torch.equal(began["0.weight"], trained["0.weight"])
    assert config.start is not None
    assert config.start.weights == hash_file(whole / START)
    assert config.start.sha256 == config.provenance["start"] == hash_file(tmp_path / "starts" / "weights.pt")
    assert "drawn at random, as the file has none: 1.bias" in config.start.notes
    assert load_start(whole, config) is not None
    assert json.loads((whole / CONFIG).read_text())["provenance"]["params"]["start"]["kind"] == "file"


def test_another_file_under_the_same_name_is_another_run(tmp_path: Path, store: Store) -> None:
    """A run that was interrupted must not go on from weights that another start led to."""
    params = make_settings(start={"kind": "file", "path": str(tmp_path / "weights.pt")}, **SMALL)
    keys = set()
    for seed in (1, 2):
        save_zip(tmp_path / "weights.pt", {name: tensor * seed for name, tensor in draw_weights().items()})
        start = read_start(params, tmp_path, ALONE)
        keys.add(pretrain.identify_run(params, store, torch.device("cpu"), ALONE, PLAIN, start))
    assert len(keys) == 2


@pytest.mark.slow
def test_a_file_that_changes_makes_the_stage_stale(project: Project) -> None:
    """Also one that Git does not see."""
    (project.root / "models/start/weights.safetensors").write_bytes(b"new")
    assert "models/start" in project.run("dvc", "status", "pretrain")
    assert project.run("git", "status", "--short") == ""
