"""The model card tells a stranger how to use the encoder and what the run measured, whatever the probes gave."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from components.encoder.saved import Config
from components.features.load import load_encoder
from components.report.card import write_card
from tests.encoder.made import make_encoder, write_encoder
from tests.small import encode_bands

DATA: dict[str, Any] = {
    "images": 1200,
    "classes": 2,
    "train": 1000,
    "test": 200,
    "unlabelled": 0,
    "sources": {"photos": 1200},
    "by_class": [
        {"class": "cat|dog", "train": 600, "test": 150, "unlabelled": 0},
        {"class": "owl", "train": 400, "test": 50, "unlabelled": 0},
    ],
    "rejected": 3,
    "leaked": 0,
    "nearly_leaked": 4,
}
PRETRAIN = {"images": 1000, "epochs": 3, "loss": 0.28911453, "peak_memory_bytes": 1057767424.0}
PROBES: dict[str, Any] = {
    "knn": {
        "pixels": {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6},
        "byol": {"accuracy": 0.98214, "accuracy_low": 0.96516, "accuracy_high": 0.99092, "news": [1, 2]},
        "random": {"skipped": "too few\nlabels"},
    },
    "verification": {name: {"skipped": "no labels"} for name in ("byol", "pixels", "random")},
    "health": {"byol": {"rank_me": 29.7638}, "another": {"rank_me": 5}},
}


def render_card(folder: Path, config: Config, **changes: Any) -> str:
    facts: dict[str, Any] = {"data": DATA, "pretrain": PRETRAIN, "probes": PROBES, "revision": "1a2b3c4"}
    facts |= {"verdict": "Better than the pixels.", "notes": {"knn": ["Scores the 200 test images."]}} | changes
    write_card(folder / "README.md", config, **facts)
    return (folder / "README.md").read_text()


@pytest.fixture
def config() -> Config:
    return make_encoder()[1]


def test_metrics_stand_side_by_side_with_their_intervals(config: Config, tmp_path: Path) -> None:
    lines = render_card(tmp_path, config).splitlines()
    assert "| | byol | pixels |" in lines
    assert "| accuracy | 0.9821 [0.9652, 0.9909] | 0.5 [0.4, 0.6] |" in lines
    assert "| news | [1, 2] | - |" in lines
    assert "- `random` was not measured: too few labels" in lines
    assert [line for line in lines if line.endswith("was not measured: no labels")] == [
        f"- `{name}` was not measured: no labels" for name in ("byol", "pixels", "random")
    ]
    assert "| rank_me | 29.76 | 5 |" in lines
    assert not any("_low" in line for line in lines)


def test_the_data_and_what_is_wrong_with_them_stand_there(config: Config, tmp_path: Path) -> None:
    text = render_card(tmp_path, config)
    for line in (
        "- images: 1,200: 1,000 train, 200 test; 1,000 of them trained on",
        "- sources: photos (1,200)",
        "| cat\\|dog | 600 | 150 |",
        "- found in them: 3 files not stored",
        "There are 200 test images; the encoder was trained on none of them; 4 look nearly like one",
    ):
        assert line in text, line


def test_it_begins_with_the_verdict_and_each_table_with_what_was_seen(config: Config, tmp_path: Path) -> None:
    text = render_card(tmp_path, config)
    assert text.index("**What it is worth:** Better than the pixels.") < text.index("## Model details")
    assert "### knn\n\nScores the 200 test images.\n\n- `random` was not measured: too few labels\n\n| | byol" in text


def test_copies_that_were_trained_on_are_not_called_unseen(config: Config, tmp_path: Path) -> None:
    text = render_card(tmp_path, config, data=DATA | {"leaked": 7, "dropped": 0, "nearly_leaked": 0})
    assert "200 test images; the encoder was trained on exact copies of 7 of them, without their labels." in text
    text = render_card(tmp_path, config, data=DATA | {"leaked": 7, "dropped": 7, "nearly_leaked": 0})
    assert "200 test images; the encoder was trained on none of them." in text


def test_images_without_labels_or_tests_are_described_too(config: Config, tmp_path: Path) -> None:
    data = {"images": 50, "classes": 0, "train": 0, "test": 0, "unlabelled": 50, "sources": {"a": 50}, "by_class": []}
    text = render_card(tmp_path, config, data=data, probes={})
    assert "- images: 50: 50 unlabelled;" in text
    assert "There are no test images." in text
    assert "No probe has measured it." in text
    assert "found in them: nothing wrong" in text


def test_the_card_of_the_articles_objective_tells_no_story_of_byol(config: Config, tmp_path: Path) -> None:
    provenance = config.provenance | {"method": "an autoencoder", "params": {"objective": "article"}}
    text = render_card(tmp_path, config.model_copy(update={"provenance": provenance}))
    assert "Each view is taken on its own" in text
    assert "It is the encoder; decoder, discriminator and direction are not kept." in text
    assert "online" not in text
    bare = render_card(tmp_path, config.model_copy(update={"provenance": provenance | {"params": None}}))
    assert "Trained without labels by an autoencoder." in bare


def test_every_number_can_be_traced(config: Config, tmp_path: Path) -> None:
    text = render_card(tmp_path, config, revision="1a2b3c4 (with uncommitted changes)")
    assert "Git revision 1a2b3c4 (with uncommitted changes)" in text
    assert "d" * 64 in text
    assert "1" * 64 in text
    assert "seed: 5" in text
    assert "in the parameters below. It is taught that the views of an image are the same thing" in text
    assert "It is the online encoder; projector, predictor and target are not kept." in text
    (parameters,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(parameters) == config.provenance["params"]


def test_a_config_that_knows_little_of_its_making_has_a_card(config: Config, tmp_path: Path) -> None:
    text = render_card(tmp_path, config.model_copy(update={"provenance": {}}))
    assert "sha256 `unknown`" in text


def test_hugging_face_can_read_its_head(config: Config, tmp_path: Path) -> None:
    head = YAML(typ="safe").load(render_card(tmp_path, config).split("---\n")[1])
    assert head["pipeline_tag"] == "image-feature-extraction"
    assert "byol" in head["tags"]


def test_alpha_is_explained_where_there_is_one(tmp_path: Path) -> None:
    opaque, transparent = (render_card(tmp_path, make_encoder(channels=channels)[1]) for channels in (3, 4))
    assert "alpha" not in opaque.replace("alpha_composite", "")
    assert "The last of its 4 channels is alpha" in transparent


def make_photos() -> dict[str, Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (11, 17, 4), np.uint8)
    rgb = Image.fromarray(pixels[..., :3].copy())
    turned = rgb.copy()
    turned.getexif()[0x0112] = 6
    return {
        "RGB": rgb,
        "gray": rgb.convert("L"),
        "RGBA": Image.fromarray(pixels),
        "P": rgb.quantize(8),
        "turned": turned,
    }


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_snippets_give_what_the_project_gives(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both snippets of the card, with onnxruntime and with this project, are run as they are."""
    folder = tmp_path / "models" / "encoder"
    with_project, without = re.findall(
        r"```python\n(.*?)```", render_card(folder, write_encoder(folder, channels=channels)), re.DOTALL
    )
    assert "components" not in without
    for kind, photo in make_photos().items():
        photo.save(tmp_path / "photo.jpg", "PNG", exif=photo.getexif())
        names: list[dict[str, Any]] = [{}, {}]
        (folder / "photo.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes())
        for place, code, variables in ((tmp_path, with_project, names[0]), (folder, without, names[1])):
            monkeypatch.chdir(place)
            exec(code, variables)
        expected = load_encoder(folder).embed(photo)
        assert expected.shape == (1, 8)
        for variables in names:
            np.testing.assert_allclose(variables["features"], expected, rtol=0, atol=1e-4, err_msg=kind)


@pytest.mark.parametrize(
    ("channels", "pixels"), [(13, {"range": (0, 4095), "colours": (3, 2, 1)}), (1, {"range": (100, 4095)}), (6, {})]
)
def test_the_snippets_for_many_or_deep_channels_give_what_the_project_gives(
    channels: int, pixels: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "encoder"
    card = render_card(folder, write_encoder(folder, channels=channels, **pixels))
    with_project, without = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert "components" not in without
    values = np.random.default_rng(0).integers(0, 5000 if pixels else 256, (20, 14, channels))
    scene = values.astype(np.uint16 if pixels else np.uint8)
    expected = load_encoder(folder).embed(scene[None])
    for place, code in ((tmp_path, with_project), (folder, without)):
        (place / "scene.tif").write_bytes(encode_bands(scene))
        monkeypatch.chdir(place)
        variables: dict[str, Any] = {}
        exec(code, variables)
        np.testing.assert_allclose(variables["features"], expected, rtol=0, atol=0.02 if not pixels else 1e-4)
