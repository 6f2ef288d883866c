"""Tests that models/encoder is read as it was written, and that wrong folders and files are refused clearly."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from components.encoder.build import build_encoder
from components.encoder.saved import CONFIG, WEIGHTS, save_encoder
from components.features.load import build_untrained_encoder, load_encoder
from components.stage.errors import InputError
from tests.encoder.made import TINY, make_encoder


def test_the_loaded_encoder_gives_the_same_features_bit_for_bit(tmp_path: Path) -> None:
    network, config = make_encoder()
    save_encoder(tmp_path, network, config)
    loaded = load_encoder(tmp_path)
    batch = torch.rand(5, 1, 8, 8)
    assert torch.equal(loaded.network(batch), network(batch))
    assert loaded.config == config.model_copy(update={"weights": loaded.config.weights})


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
