"""Published weights come from the libraries' caches without a network; without both, one line says what is missing."""

import hashlib
import re
from pathlib import Path
from urllib.error import URLError

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from components.learning.replicas import ALONE
from components.pretrain.params import TimmStart, TorchvisionStart
from components.pretrain.start import published
from components.pretrain.start.begin import read_start
from components.pretrain.start.published import find_timm, find_torchvision
from components.stage.errors import InputError
from tests.small import make_settings

MODEL = "test_resnet.r160_in1k"  # timm's own for tests
RESNET = TorchvisionStart(kind="torchvision", model="resnet18", weights="IMAGENET1K_V1")


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and no network."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("Temporary failure in name resolution")

    def refuse_hub(**_: object) -> str:
        raise LocalEntryNotFoundError("cannot find the requested files in the disk cache\nand there is no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "huggingface"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse_hub)


def put_on_hugging_face(cache: Path, weights: dict[str, torch.Tensor]) -> str:
    """Lay a file into the cache as Hugging Face does; return its SHA-256."""
    folder = cache / "models--timm--test_resnet.r160_in1k"
    for name in ("blobs", "refs", "snapshots/1a2b"):
        (folder / name).mkdir(parents=True)
    (folder / "refs" / "main").write_text("1a2b")
    save_file(weights, folder / "new")
    digest = hashlib.sha256((folder / "new").read_bytes()).hexdigest()
    (folder / "new").rename(folder / "blobs" / digest)
    (folder / "snapshots/1a2b/model.safetensors").symlink_to(f"../../blobs/{digest}")
    return digest


def test_timms_weights_are_read_from_the_cache(tmp_path: Path) -> None:
    weights = timm.create_model("test_resnet").state_dict()
    digest = put_on_hugging_face(tmp_path / "huggingface", weights)
    found = find_timm(TimmStart(kind="timm", model=MODEL))
    assert torch.equal(found.tensors["layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])
    assert (found.digest, found.licence) == (digest, "apache-2.0")
    assert found.mean == (0.5, 0.5, 0.5)


def test_another_models_weights_in_the_cache_are_one_line(tmp_path: Path) -> None:
    put_on_hugging_face(tmp_path / "huggingface", {"weight": torch.zeros(3)})
    with pytest.raises(InputError, match=f"not the weights of timm's {MODEL}") as error:
        find_timm(TimmStart(kind="timm", model=MODEL))
    assert "\n" not in str(error.value)


def put_into_hub(hub: Path, weights: dict[str, torch.Tensor]) -> Path:
    (hub / "checkpoints").mkdir(parents=True)
    path = hub / "checkpoints" / "resnet18-f37072fd.pth"
    torch.save(weights, path)
    return path


def test_torchvisions_weights_are_read_from_the_cache_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision compares a file with its hash only when it downloads it."""
    path = put_into_hub(tmp_path / "hub", dict(torchvision.models.resnet18().state_dict()))
    images = {
        "side": 128,
        "read_side": 128,
        "range": None,
        "colours": None,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }
    resnet = {"name": "resnet18", "stem": "auto"}
    params = make_settings(start=RESNET.model_dump(), encoder=resnet, images=images)
    with pytest.raises(InputError, match=r"resnet18-f37072fd\.pth: damaged: its SHA-256 does not begin with f37072fd"):
        read_start(params, tmp_path, ALONE)
    monkeypatch.setattr(published, "find_in_hub", lambda url: (path, ""))
    start = read_start(params, tmp_path, ALONE)
    assert start is not None
    assert (start.begun.origin, len(start.weights)) == ("torchvision resnet18 IMAGENET1K_V1", 120)
    assert start.advice == ()


def test_neither_a_network_nor_a_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"not in the cache .*cannot be downloaded from .*name resolution") as error:
        find_torchvision(RESNET)
    with pytest.raises(InputError, match=r"timm/test_resnet\.r160_in1k on Hugging Face: cannot find") as other:
        find_timm(TimmStart(kind="timm", model=MODEL))
    assert "\n" not in str(error.value) + str(other.value)
    assert capsys.readouterr().out.count("pretrain: downloading ") == 2


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            RESNET.model_copy(update={"model": "resnet81"}),
            "start.model: torchvision has no 'resnet81'; did you mean resn",
        ),
        (RESNET.model_copy(update={"weights": "V3"}), "start.weights: resnet18 has IMAGENET1K_V1, DEFAULT, not 'V3'"),
        (TimmStart(kind="timm", model="resnet18.none"), "start.model: timm has no 'resnet18.none'; did you mean resn"),
        (TimmStart(kind="timm", model="no_such_thing"), "start.model: timm has no 'no_such_thing'; "),
    ],
)
def test_a_name_that_nobody_gave_is_named_with_the_nearest(start: TorchvisionStart | TimmStart, said: str) -> None:
    find = find_timm if isinstance(start, TimmStart) else find_torchvision
    with pytest.raises(InputError, match=re.escape(said)):
        find(start)  # type: ignore[arg-type]
