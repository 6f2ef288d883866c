"""Tests that models/encoder is read as it was written, and that wrong folders and files are refused clearly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.encoder.build import build_encoder
from components.encoder.saved import CONFIG, WEIGHTS, save_encoder
from components.features.load import build_untrained_encoder, load_encoder
from components.stage.errors import InputError
from tests.encoder.made import TINY, make_encoder
from tests.encoder.test_from_timm import timm_network


def test_the_loaded_encoder_gives_the_same_features_bit_for_bit(tmp_path: Path) -> None:
    network, config = make_encoder()
    save_encoder(tmp_path, network, config)
    loaded = load_encoder(tmp_path)
    batch = torch.rand(5, 1, 8, 8)
    assert torch.equal(loaded.network(batch), network(batch))
    assert loaded.config == config.model_copy(update={"weights": loaded.config.weights})


def test_what_stands_in_no_file_is_there_after_loading(tmp_path: Path) -> None:
    """A Swin computes the positions in its windows when it is built."""
    small = timm_network("swin_tiny_patch4_window7_224", embed_dim=12, depths=(1, 2), num_heads=(1, 2))
    network, config = make_encoder(small, channels=3, side=32)
    save_encoder(tmp_path, network, config)
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(load_encoder(tmp_path).network(batch), network(batch))


def test_a_folder_may_be_named_by_text(tmp_path: Path) -> None:
    save_encoder(tmp_path, *make_encoder())
    assert load_encoder(str(tmp_path)).config == load_encoder(tmp_path).config


def test_other_tools_know_whose_tensors_these_are_and_may_read_them(tmp_path: Path) -> None:
    """Some tools refuse a file without `format: pt`; a file that only its owner may read cannot be shared in a team."""
    save_encoder(tmp_path, *make_encoder())
    with safe_open(tmp_path / WEIGHTS, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert (tmp_path / WEIGHTS).stat().st_mode == (tmp_path / CONFIG).stat().st_mode


def test_the_untrained_network_is_where_training_began() -> None:
    _, config = make_encoder()
    first, second = build_untrained_encoder(config), build_untrained_encoder(config)
    torch.manual_seed(5)
    reference = build_encoder(TINY, channels=1, side=8)
    for a, b, c in zip(first.parameters(), second.parameters(), reference.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_loading_moves_nobodys_dice(tmp_path: Path) -> None:
    """Otherwise a program that loads an encoder would draw the same random numbers after it, whatever its own seed."""
    save_encoder(tmp_path, *make_encoder())
    torch.manual_seed(77)
    expected = torch.rand(3)
    torch.manual_seed(77)
    load_encoder(tmp_path)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["", "a file"])
def test_a_place_without_an_encoder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(InputError, match=r"no encoder here \(.*config\.json is missing\)"):
        load_encoder(tmp_path / name)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network, config = make_encoder()
    save_encoder(tmp_path, network, config)
    (tmp_path / CONFIG).write_text((tmp_path / CONFIG).read_text().replace('"tiny_resnet"', '"tiny_resnet9"'))
    with pytest.raises(InputError, match=CONFIG):
        load_encoder(tmp_path)
    wider = config.model_copy(update={"encoder": TINY.model_copy(update={"widths": (2, 8)})})
    (tmp_path / CONFIG).write_text(wider.model_dump_json())
    with pytest.raises(InputError, match=WEIGHTS):
        load_encoder(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(InputError, match=WEIGHTS):
        load_encoder(tmp_path)


def write(folder: Path) -> Path:
    save_encoder(folder, *make_encoder())
    return folder


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text()) | changes
    (folder / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def test_one_wrong_bit_of_the_weights_is_noticed(tmp_path: Path) -> None:
    """A service would give features that are nearly right, for as long as it runs."""
    path = write(tmp_path) / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{WEIGHTS}: damaged, or not the weights of {CONFIG}") as caught:
        load_encoder(tmp_path)
    assert "\n" not in str(caught.value)
    change_config(tmp_path, weights=None)
    assert load_encoder(tmp_path).config.weights is None, "as encoders were written before"


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    network, config = make_encoder()
    with torch.no_grad():
        network[0].weight[0, 0, 1, 1] = value
    save_encoder(tmp_path, network, config)
    with pytest.raises(InputError, match=rf"{WEIGHTS}: 0\.weight holds numbers that are not finite"):
        load_encoder(tmp_path)


TENSORS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    r"0\.weight is missing, not float32 \[4, 1, 3, 3\]": lambda weights: weights.pop("0.weight"),
    r"more is float32 \[1\], not missing": lambda weights: weights.update({"more": torch.ones(1)}),
    r"0\.weight is float64": lambda weights: weights.update({"0.weight": weights["0.weight"].double()}),
    r"0\.weight is float32 \[2, 3\], not float32": lambda weights: weights.update({"0.weight": torch.ones(2, 3)}),
}


@pytest.mark.parametrize("reason", TENSORS)
def test_the_tensor_that_is_wrong_is_named(reason: str, tmp_path: Path) -> None:
    change_config(write(tmp_path), weights=None)
    weights = load_file(tmp_path / WEIGHTS)
    TENSORS[reason](weights)
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(InputError, match=f"not the weights of {CONFIG}: {reason}"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("size", [0, 2**40, 2**60, 2**64 - 1])
def test_a_header_that_says_it_is_huge_takes_no_memory(size: int, tmp_path: Path) -> None:
    change_config(write(tmp_path), weights=None)
    path = tmp_path / WEIGHTS
    path.write_bytes(size.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(InputError, match=f"{WEIGHTS}: cannot be read"):
        load_encoder(tmp_path)


CONFIGS: dict[str, dict[str, object]] = {
    "features: 7, but the network gives 8": {"features": 7},
    "features: Input should be": {"features": "8"},
    "seed: Input should be": {"seed": -1},
    "provenance: Value error, method is a text": {"provenance": {"method": 5}},
    "features: 8, but the network gives 60000": {
        "encoder": {"name": "tiny_resnet", "widths": [60000, 60000], "blocks": 3}
    },
    "encoder": {
        "encoder": {"name": "article", "hidden": 2**40, "features": 2**40},
        "images": {"side": 8, "read_side": 8, "mean": [0.5], "std": [0.5]},
    },
    "images.mean.0: Input should be": {"images": {"side": 8, "read_side": 8, "mean": [None], "std": [0.5]}},
}


VIT = {"name": "timm", "model": "test_vit", "arguments": {}, "frozen_patch_embedding": False}
OWN = {"name": "own", "arguments": {}}
CONFIGS |= {
    "encoder.model: timm has no 'hf-hub:a/b'": {"encoder": VIT | {"model": "hf-hub:a/b"}},
    "encoder.timm.arguments: Value error, checkpoint_path": {
        "encoder": VIT | {"arguments": {"checkpoint_path": "x.pt"}}
    },
    "encoder.timm.arguments: Value error, depth: at most 200": {"encoder": VIT | {"arguments": {"depth": 10**6}}},
    "encoder: there is no test_vit of timm with these arguments": {
        "encoder": VIT | {"arguments": {"act_layer": "os.system"}}
    },
    "encoder.own.function: Value error, a function in a file": {"encoder": OWN | {"function": "os.system"}},
    r"encoder.function: there is no file components/encoder/own/gone\.py": {
        "encoder": OWN | {"function": "components.encoder.own.gone.build"}
    },
}


@pytest.mark.parametrize("reason", CONFIGS)
def test_what_is_absurd_in_the_config_is_named_before_memory_is_taken(reason: str, tmp_path: Path) -> None:
    """A width of 60,000 would ask for 130 GB for one layer."""
    change_config(write(tmp_path), **CONFIGS[reason])
    with pytest.raises(InputError, match=rf"{CONFIG}: {reason}") as caught:
        load_encoder(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "null", "[" * 100_000, "\x00\xff", '{"features": 1e999}'])
def test_what_is_no_config_is_one_line(text: str, tmp_path: Path) -> None:
    (write(tmp_path) / CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=CONFIG) as caught:
        load_encoder(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_folder_in_the_place_of_a_file_is_one_line(name: str, tmp_path: Path) -> None:
    (write(tmp_path) / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}: cannot be read"):
        load_encoder(tmp_path)
