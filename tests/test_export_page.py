"""Every snippet of docs/export.md, run as it stands there, gives what the project itself gives."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from components.encoder.params import TorchvisionResNet
from components.encoder.saved import save_encoder
from components.features.load import load_encoder
from tests.conftest import ROOT
from tests.encoder.made import make_encoder, write_encoder
from tests.small import encode_bands

PAGE = (ROOT / "docs" / "export.md").read_text()
LOADER, FRAMES, ONNX, DEEP, TORCHVISION = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
GET, REGISTER, GET_VERSION = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
ADDRESS = "git@example.org:team/byol-pipeline.git"


def write_inputs(folder: Path, monkeypatch: pytest.MonkeyPatch, channels: int) -> Image.Image:
    """Write an encoder and a photo where the page expects them, make `folder` the current one, and return the photo."""
    write_encoder(folder / "models" / "encoder", channels=channels)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (21, 33, 3), np.uint8))
    photo.save(folder / "photo.jpg", "PNG")
    monkeypatch.chdir(folder)
    return photo


def execute(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


@pytest.mark.parametrize("channels", [1, 3])
def test_the_loader_and_onnx_agree(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = write_inputs(tmp_path, monkeypatch, channels)
    expected = load_encoder("models/encoder").embed(photo)
    assert "components" not in ONNX
    for code in (LOADER, ONNX):
        np.testing.assert_allclose(execute(code)["features"], expected, atol=1e-4)


def test_the_frames_of_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path, monkeypatch, 3)
    assert execute(FRAMES.replace("(1000, 480, 640, 3)", "(3, 48, 64, 3)"))["features"].shape == (3, 8)


def test_onnx_takes_many_channels_of_16_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_encoder(tmp_path / "models" / "encoder", channels=13, range=(0, 4095), colours=(3, 2, 1))
    scene = np.random.default_rng(0).integers(0, 5000, (21, 33, 13), np.uint16)
    (tmp_path / "scene.tif").write_bytes(encode_bands(scene))
    monkeypatch.chdir(tmp_path)
    expected = load_encoder("models/encoder").embed(scene[None])
    np.testing.assert_allclose(execute(DEEP)["features"], expected, atol=1e-4)


@pytest.mark.parametrize(("stem", "side"), [("auto", 16), ("auto", 72), ("small", 72)])
def test_torchvision_takes_the_weights(stem: Any, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TorchvisionResNet(name="resnet18", stem=stem)
    save_encoder(tmp_path / "models" / "encoder", *make_encoder(encoder, channels=3, side=side))
    monkeypatch.chdir(tmp_path)
    assert "components" not in TORCHVISION
    images = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        features = execute(TORCHVISION)["network"](images)
        assert torch.equal(features, load_encoder("models/encoder").network(images))


PIPELINE = {
    "artifacts": YAML(typ="safe").load(ROOT / "dvc.yaml")["artifacts"],
    "stages": {
        "pretrain": {
            "cmd": "true",
            "outs": [f"models/encoder/{name}" for name in ("encoder.safetensors", "config.json", "encoder.onnx")],
        },
        "report": {"cmd": "true", "outs": ["models/encoder/README.md"]},
    },
}


def test_another_repository_gets_the_encoder_by_path_and_by_version(tmp_path: Path) -> None:
    """DVC has to gather the folder from the outs of two stages; the artifact's entry is that of dvc.yaml."""
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    outs = [Path(out) for stage in PIPELINE["stages"].values() for out in stage["outs"]]
    for out in outs:
        (source / out).parent.mkdir(parents=True, exist_ok=True)
        (source / out).write_text(out.name)
    elsewhere.mkdir()
    (tmp_path / "home").mkdir()
    YAML(typ="safe").dump(PIPELINE, source / "dvc.yaml")
    (source / ".gitignore").write_text("/models/encoder\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    environment |= {f"GIT_{who}_{what}": "ada@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run(folder: Path, commands: str) -> None:
        subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, check=True, timeout=120)

    run(source, "git init -qb main && dvc init -q && dvc commit -q -f && git add . && git commit -qm run")
    run(source, REGISTER)
    run(elsewhere, (GET + GET_VERSION).replace(ADDRESS, str(source)))
    for folder in ("encoder", "older", "latest", "first", "prod"):
        assert {path.name for path in (elsewhere / folder).iterdir()} == {out.name for out in outs}, folder
        assert (elsewhere / folder / "README.md").read_text() == "README.md"
