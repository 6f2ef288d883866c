"""encoder.onnx gives what PyTorch gives, at any batch size, and says itself how it is to be fed."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from components.classifier import files
from components.classifier import onnx as classifier_onnx
from components.classifier.load import load_classifier
from components.classifier.saved import Config, save_head
from components.encoder.params import ArticleNetwork, Encoder, TorchvisionResNet
from components.encoder.saved import ONNX, save_encoder
from components.encoder.saved import Config as EncoderConfig
from components.features.load import load_encoder
from components.pretrain.onnx import export_onnx
from tests.encoder.made import TINY, make_encoder
from tests.encoder.test_from_timm import timm_network


@pytest.mark.parametrize(
    ("encoder", "channels", "side"),
    [
        (TINY, 1, 8),
        (TorchvisionResNet(name="resnet18", stem="small"), 3, 16),
        (TorchvisionResNet(name="resnet18", stem="large"), 3, 48),
        (ArticleNetwork(name="article", hidden=24, features=12), 3, 18),
        (timm_network("test_efficientnet"), 1, 32),
        (timm_network("test_convnext"), 4, 33),
        (timm_network("test_vit", patch_size=8, depth=2), 3, 32),
    ],
    ids=["tiny", "small stem", "large stem", "article", "efficientnet", "convnext", "vit"],
)
def test_the_live_the_loaded_and_the_onnx_network_agree(
    encoder: Encoder, channels: int, side: int, tmp_path: Path
) -> None:
    network, config = make_encoder(encoder, channels=channels, side=side)
    save_encoder(tmp_path, network, config)
    export_onnx(network, tmp_path / ONNX, config.images)
    loaded = load_encoder(tmp_path).network
    graph = onnx.load(tmp_path / ONNX)
    del graph.graph.initializer[:]  # in millions of random bytes any word stands somewhere
    assert b".py" not in graph.SerializeToString(), "a path of this machine"
    session = onnxruntime.InferenceSession(tmp_path / ONNX)
    head = add_head(tmp_path, config)
    for batch_size in (1, 2, 7):
        batch = torch.randn(batch_size, channels, side, side)
        (found,) = session.run(["features"], {"images": batch.numpy()})
        with torch.inference_mode():
            live, read = network(batch).numpy(), loaded(batch).numpy()
        assert found.shape == (batch_size, config.features)
        assert np.abs(live).max() > 0.01, "there is something to agree about"
        np.testing.assert_allclose(read, live, rtol=0, atol=1e-4)
        np.testing.assert_allclose(found, live, rtol=1e-4, atol=1e-4)
        (answered,) = head.run([files.PROBABILITIES], {"images": batch.numpy()})
        expected = load_classifier(tmp_path / "classifier").from_features(torch.from_numpy(live)).numpy()
        assert 0.05 < expected.max() < 0.95
        np.testing.assert_allclose(answered, expected, rtol=0, atol=1e-4)


def add_head(folder: Path, config: EncoderConfig) -> onnxruntime.InferenceSession:
    """Write and open a classifier of five classes on the encoder in the folder, its weights drawn at random."""
    weights = torch.randn(config.features, 5) / config.features**0.5
    tensors = {"centre": torch.rand(config.features), "weights": weights, "bias": torch.randn(5)}
    about = {"features": config.features, "images": config.images, "encoder": "0" * 64, "train_images": 9, "c": 1.0}
    said = Config(classes=("a", "b", "c", "d", "e"), temperature=1.5, calibrated_on=9, untrained=(), **about)
    save_head(folder / "classifier", tensors, said)
    model = classifier_onnx.read_model(folder / ONNX, config.features)
    classifier_onnx.write_onnx(folder / "classifier" / files.ONNX, model, tensors, said)
    return onnxruntime.InferenceSession(folder / "classifier" / files.ONNX)


def test_the_file_is_one_and_says_how_to_feed_it(tmp_path: Path) -> None:
    network, config = make_encoder(channels=3)
    export_onnx(network, tmp_path / ONNX, config.images)
    assert [path.name for path in tmp_path.iterdir()] == [ONNX], "the weights are inside"
    said = onnxruntime.InferenceSession(tmp_path / ONNX).get_modelmeta().custom_metadata_map
    assert (json.loads(said["mean"]), json.loads(said["std"])) == ([0.4, 0.5, 0.3], [0.25, 0.2, 0.3])
    assert (said["side"], said["channels"]) == ("8", "R, G, B")
    assert said["layout"].startswith("NCHW")
    assert "bicubic" in said["resize"]


def test_no_path_of_this_machine_is_in_it(tmp_path: Path) -> None:
    """The exporter notes where each operation stood; elsewhere the same run would give other bytes."""
    network, config = make_encoder()
    for name in ("a.onnx", "b.onnx"):
        export_onnx(network, tmp_path / name, config.images)
    written = (tmp_path / "a.onnx").read_bytes()
    assert b"site-packages" not in written
    assert b".py" not in written
    assert str(tmp_path).encode() not in written
    assert (tmp_path / "b.onnx").read_bytes() == written
    onnx.checker.check_model(onnx.load(tmp_path / "a.onnx"), full_check=True)


def test_the_file_says_which_values_of_which_channels_it_takes(tmp_path: Path) -> None:
    network, config = make_encoder(channels=13, range=(10, 4105), colours=(3, 2, 1))
    export_onnx(network, tmp_path / ONNX, config.images)
    said = onnxruntime.InferenceSession(tmp_path / ONNX).get_modelmeta().custom_metadata_map
    assert said["layout"] == "NCHW float32: (clip((pixel - 10) / 4095, 0, 1) - mean) / std, a channel"
    assert said["channels"] == "13, counted from 0; 3, 2, 1 are R, G, B"
    assert json.loads(said["range"]) == [10, 4105]
