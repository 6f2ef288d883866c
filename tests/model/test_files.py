"""models/encoder: what is written is what is read, here and in onnxruntime."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from components.byol.network import build_encoder
from components.model.card import write_card
from components.model.files import CONFIG, WEIGHTS, Config, load_encoder, save_encoder, untrained_encoder
from components.model.onnx import export_onnx
from components.params.base import InputError
from components.params.pretrain import Images, TinyResNet, TorchvisionResNet

TINY = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)


def make(encoder: TinyResNet | TorchvisionResNet, channels: int, side: int) -> tuple[nn.Module, Config]:
    torch.manual_seed(1)
    network = build_encoder(encoder, channels=channels, side=side)
    network.train()
    with torch.no_grad():
        for _ in range(3):  # running statistics away from their first values
            width = network(torch.rand(8, channels, side, side)).shape[1]
    images = Images(side=side, read_side=side, mean=(0.5,) * channels, std=(0.25,) * channels)
    provenance = {"method": "BYOL", "images": 8, "params": {"epochs": 3}}
    return network.eval(), Config(encoder=encoder, images=images, features=width, seed=5, provenance=provenance)


def test_the_loaded_encoder_gives_the_same_features_bit_for_bit(tmp_path: Path) -> None:
    network, config = make(TINY, 1, 8)
    save_encoder(tmp_path, network, config)
    loaded = load_encoder(tmp_path)
    batch = torch.rand(5, 1, 8, 8)
    assert torch.equal(loaded.network(batch), network(batch))
    assert loaded.config == config


@pytest.mark.parametrize(
    ("encoder", "channels", "side"),
    [(TINY, 1, 8), (TorchvisionResNet(name="resnet18", stem="auto"), 3, 32)],
    ids=["tiny", "resnet18"],
)
def test_onnx_agrees_with_torch_at_any_batch_size(
    encoder: TinyResNet | TorchvisionResNet, channels: int, side: int, tmp_path: Path
) -> None:
    network, config = make(encoder, channels, side)
    export_onnx(network, tmp_path / "e.onnx", channels=channels, side=side)
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx")
    for batch_size in (1, 2, 7):
        batch = torch.rand(batch_size, channels, side, side)
        (features,) = session.run(["features"], {"images": batch.numpy()})
        assert features.shape == (batch_size, config.features)
        np.testing.assert_allclose(features, network(batch).detach().numpy(), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["e.onnx"], "one file, weights inside"


def test_the_untrained_network_is_where_training_began() -> None:
    _, config = make(TINY, 1, 8)
    first, second = untrained_encoder(config), untrained_encoder(config)
    torch.manual_seed(5)
    reference = build_encoder(TINY, channels=1, side=8)
    for a, b, c in zip(first.parameters(), second.parameters(), reference.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no encoder here \(.*config\.json is missing\)"):
        load_encoder(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network, config = make(TINY, 1, 8)
    save_encoder(tmp_path, network, config)
    (tmp_path / CONFIG).write_text((tmp_path / CONFIG).read_text().replace('"tiny_resnet"', '"tiny_resnet9"'))
    with pytest.raises(InputError, match=CONFIG):
        load_encoder(tmp_path)
    wider = config.model_copy(update={"encoder": TINY.model_copy(update={"widths": (4, 16)})})
    (tmp_path / CONFIG).write_text(wider.model_dump_json())
    with pytest.raises(InputError, match=WEIGHTS):
        load_encoder(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(InputError, match=WEIGHTS):
        load_encoder(tmp_path)


def test_the_card_says_how_to_feed_it(tmp_path: Path) -> None:
    _, config = make(TINY, 1, 8)
    write_card(tmp_path / "README.md", config)
    card = (tmp_path / "README.md").read_text()
    assert "float32 (batch, 1, 8, 8)" in card
    assert "mean [0.5] and std [0.25]" in card
