"""One to four channels: gray, gray and alpha, RGB, RGBA. Alpha goes where the picture goes, and keeps its values.

An encoder for images with alpha would else learn from outlines that no camera could have made.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from components.features.load import build_untrained_encoder, load_encoder
from components.learning import colour, views
from components.learning.params import View
from components.pretrain import __main__ as pretrain
from components.pretrain.preview import draw_preview
from components.stage.command import read_params
from components.stage.errors import InputError
from tests.conftest import ROOT, set_params
from tests.learning.checks import SIDE, draw_photos, make_generator
from tests.small import fill_store, make_settings

ViewWith = Callable[..., View]
CLOSE = {"rtol": 0, "atol": 2e-6}
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
COLOURS: dict[str, dict[str, float]] = {
    **{name: {"jitter": 1.0, name: strength} for name, strength in JITTER.items()},
    "jitter": {"jitter": 1.0, **JITTER},
    "grayscale": {"grayscale": 1.0},
    "blur": {"blur": 1.0},
    "solarise": {"solarise": 1.0},
    "noise": {"noise": 0.1},
}
GEOMETRY: dict[str, dict[str, Any]] = {
    "crop": {"crop_area": [0.3, 0.6]},
    "flip": {"flip": 1.0},
    "turn": {"rotate": 40.0, "scale": 0.2, "shift": 0.1, "shear": 10.0},
}
EVERYTHING = GEOMETRY["crop"] | {
    "flip": 0.5,
    "jitter": 0.8,
    "grayscale": 0.2,
    "blur": 0.5,
    "solarise": 0.3,
    "noise": 0.1,
}
EVERYTHING |= JITTER
WITH_ALPHA = pytest.mark.parametrize("channels", [2, 4])


@pytest.fixture(params=["apply_to_some", "apply_to_all"], ids=["as on a CPU", "as on a GPU"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "apply_to_some", getattr(colour, request.param))


@WITH_ALPHA
@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.usefixtures("device")
def test_what_changes_colours_leaves_alpha_to_the_bit(name: str, channels: int, view_with: ViewWith) -> None:
    images = draw_photos(20, channels)
    before = images.clone()
    found = views.make_view(images, view_with(**COLOURS[name]), make_generator(), SIDE)
    assert found.shape == images.shape
    assert torch.equal(found[:, -1], images[:, -1])
    assert torch.equal(images, before), "the feed's own images must stay for the next epoch"
    has_an_effect = channels == 4 or name not in ("saturation", "hue", "grayscale")
    assert torch.equal(found, images) != has_an_effect


@WITH_ALPHA
@pytest.mark.parametrize("name", GEOMETRY)
def test_what_moves_a_picture_moves_its_alpha_along(name: str, channels: int, view_with: ViewWith) -> None:
    """Images whose channels are all the same stay so."""
    images = draw_photos(20, 1).repeat(1, channels, 1, 1)
    found = views.make_view(images, view_with(**GEOMETRY[name]), make_generator(), SIDE)
    torch.testing.assert_close(found, found[:, :1].expand_as(found), **CLOSE)
    assert not torch.equal(found, images)
    if name == "flip":
        torch.testing.assert_close(found, images.flip(3), **CLOSE)


def test_beyond_the_edge_a_picture_is_transparent(view_with: ViewWith) -> None:
    white = torch.ones(20, 4, SIDE, SIDE)
    found = views.make_view(white, view_with(shift=0.5), make_generator(), SIDE)
    assert float(found[:, 3].amin()) == 0
    assert torch.equal(found[:, :3], found[:, 3:].expand(-1, 3, -1, -1))


@WITH_ALPHA
@pytest.mark.parametrize("turned", [{}, GEOMETRY["turn"]], ids=["cut", "turned"])
@pytest.mark.parametrize("side", [SIDE, 12])
@pytest.mark.usefixtures("device")
def test_the_colours_are_those_of_images_without_alpha(
    side: int, turned: dict[str, float], channels: int, view_with: ViewWith
) -> None:
    """The same numbers are drawn, in the same order, and mean the same."""
    images, view = draw_photos(20, channels), view_with(**EVERYTHING, **turned)
    with_alpha, without = make_generator(3), make_generator(3)
    found = views.make_view(images, view, with_alpha, side)
    expected = views.make_view(images[:, :-1], view, without, side)
    torch.testing.assert_close(found[:, :-1], expected, **CLOSE)
    assert torch.equal(with_alpha.get_state(), without.get_state())


def test_a_compiler_can_follow_the_views_from_end_to_end(view_with: ViewWith) -> None:
    view = view_with(**EVERYTHING | {"solarise_threshold": 1.0})
    drawn = views.draw_view(view, views.Shape(20, 4, SIDE, SIDE), make_generator())
    compiled = torch.compile(views.apply_view, fullgraph=True, backend="eager")
    expected = views.apply_view(draw_photos(20, 4), view, drawn, SIDE)
    torch.testing.assert_close(compiled(draw_photos(20, 4), view, drawn, SIDE), expected, rtol=0, atol=2e-5)


def images_with(channels: int, **changes: Any) -> dict[str, Any]:
    """Changes for `make_settings`."""
    return {"images__mean": (0.5,) * channels, "images__std": (0.25,) * channels} | changes


SHORT = {"epochs": 1, "batch_size": 4, "encoder__widths": (4, 8), "head": {"hidden": 8, "out": 4}, "feed__workers": 0}
SHORT |= {"device": "cpu", "watch__knn_queries": 0, "watch__loggers": (), "watch__collapse": 0.0}
SHORT |= {"views__first__jitter": 1.0, "views__first__hue": 0.1, "views__first__noise": 0.1, "views__first__flip": 0.5}
PATHS = {"metrics": "metrics.json", "curve": "curve.csv", "views": "views.png"}
PATHS |= {flag: flag for flag in ("scratch", "live", "starts")}


@pytest.mark.parametrize("channels", [3, 4])
def test_an_encoder_of_so_many_channels_is_trained_and_exported(channels: int, tmp_path: Path) -> None:
    """From files with alpha to encoder.onnx, which must give the features that the encoder gives here."""
    rng = np.random.default_rng(0)
    store = fill_store(tmp_path / "store", [rng.integers(0, 256, (10, 14, 4)) for _ in range(12)])
    params = make_settings(**images_with(channels), **SHORT)
    paths = {flag: tmp_path / name for flag, name in PATHS.items()}
    pretrain.run(params, store=store.folder, encoder=tmp_path / "encoder", **paths)
    trained = load_encoder(tmp_path / "encoder")
    assert trained.config.images.channels == channels
    learned = [
        network[0].weight for network in (trained.network, build_untrained_encoder(trained.config))
    ]  # (8, C, 3, 3)
    assert (learned[0] - learned[1]).abs().amax((0, 2, 3)).min() > 0, "of every channel, alpha too"
    session = onnxruntime.InferenceSession(tmp_path / "encoder" / "encoder.onnx")
    images = torch.randn(3, channels, 8, 8, generator=make_generator())
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), trained.network(images), rtol=1e-4, atol=1e-5)
    with Image.open(paths["views"]) as picture:
        picture.load()
        assert picture.mode == ("L" if channels <= 2 else "RGB")


@WITH_ALPHA
def test_the_picture_of_the_views_shows_them_over_white(channels: int, tmp_path: Path) -> None:
    """Black images: the first two transparent, the third opaque. Each is of 8 pixels and a frame, 32 times as large."""
    images = torch.zeros(3, channels, 8, 8, dtype=torch.uint8)
    images[2, -1] = 255
    draw_preview(images, make_settings(**images_with(channels)), tmp_path / "views.png")
    with Image.open(tmp_path / "views.png") as picture:
        shown = np.asarray(picture.convert("L"))
    large = 960 // 30
    assert shown.shape == (30 * large, 30 * large)
    middles = shown[5 * large :: 10 * large, 5 * large :: 10 * large]
    assert middles.tolist() == [[255, 255, 0]] * 3
    assert shown[0, 0] == 255


@WITH_ALPHA
def test_workers_that_would_colour_alpha_are_refused(channels: int, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes((ROOT / "params.yaml").read_bytes())
    numbers = {"pretrain.images.mean": [0.5] * channels, "pretrain.images.std": [0.25] * channels}
    set_params(file, numbers)
    assert read_params(file).pretrain.images.channels == channels
    set_params(file, {"pretrain.feed.executor": "albumentations"})
    with pytest.raises(InputError, match=r"params.yaml: pretrain: feed\.executor: .*say batched") as error:
        read_params(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [0, 1025])
def test_other_numbers_of_channels_are_refused(channels: int) -> None:
    with pytest.raises(ValidationError, match="mean"):
        make_settings(**images_with(channels))
