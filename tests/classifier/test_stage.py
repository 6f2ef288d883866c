"""The stage from embeddings to files: what they hold, that all of them say the same, and what is left where there is
nothing to learn."""

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch

from components.classifier.files import CLASSES, HEAD, ONNX
from components.classifier.load import load_classifier
from components.encoder.normalise import normalise
from components.encoder.saved import CONFIG
from components.features.embeddings import read_embeddings
from components.features.load import load_encoder
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED, Store
from tests.classifier.made import run_stage, write_inputs, write_three_classes
from tests.small import decode_images


@pytest.fixture(scope="module")
def made(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A folder in which the stage has run, and its metrics."""
    folder = write_three_classes(tmp_path_factory.mktemp("made"), encoder)
    return folder, run_stage(folder)


def answer(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Answer images by the ONNX file, from pixels, and by the loader, from embeddings: (N, K) each."""
    loaded = load_encoder(folder / "encoder")
    squares = torch.from_numpy(decode_images(Store(folder / "store"), (split,)))
    session = onnxruntime.InferenceSession(folder / "classifier" / ONNX)
    (by_onnx,) = session.run(["probabilities"], {"images": normalise(squares, loaded.config.images).numpy()})
    table = read_embeddings(folder / "embeddings" / "byol.parquet")
    features = torch.from_numpy(table.features[table.splits == split])
    return by_onnx, load_classifier(folder / "classifier").from_features(features).numpy()


def test_pixels_through_onnx_and_features_through_the_loader_give_the_metrics(
    made: tuple[Path, dict[str, float]],
) -> None:
    folder, metrics = made
    by_onnx, by_loader = answer(folder, TEST)
    np.testing.assert_allclose(by_onnx, by_loader, rtol=0, atol=1e-4)
    np.testing.assert_allclose(by_loader.sum(1), 1, atol=1e-5)
    _, truth = read_embeddings(folder / "embeddings" / "byol.parquet").test
    right = by_onnx.argmax(1) == truth
    assert metrics["accuracy"] == pytest.approx(right.mean(), rel=1e-5)
    predictions = pq.read_table(folder / "predictions" / "classifier.parquet")
    assert predictions["accuracy"].to_pylist() == right.tolist(), "what two runs are compared by, image by image"
    assert predictions["predicted"].to_pylist() == by_onnx.argmax(1).tolist()
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    assert 0.4 < metrics["accuracy"] < 1, "there is something to be wrong about"
    assert metrics["brier"] == pytest.approx(((by_onnx - np.eye(3)[truth]) ** 2).sum(1).mean(), rel=1e-3)
    assert metrics.keys() >= {"ece", "ece_uncalibrated", "brier_uncalibrated", "temperature", "c"}


def test_the_onnx_file_says_what_it_answers_and_for_which_encoder(made: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = made
    session = onnxruntime.InferenceSession(folder / "classifier" / ONNX)
    said = session.get_modelmeta().custom_metadata_map
    loaded = load_classifier(folder / "classifier")
    assert json.loads(said[CLASSES]) == ["cat", "dog", "owl"] == list(loaded.classes)
    assert said["encoder"] == loaded.encoder == load_encoder(folder / "encoder").config.weights
    assert float(said["temperature"]) == metrics["temperature"] == loaded.config.temperature
    assert {"side", "mean", "std", "layout", "resize", "channels"} <= said.keys(), "how it is fed"
    assert [output.name for output in session.get_outputs()] == ["probabilities"]
    assert session.get_outputs()[0].shape == ["batch", 3]


def test_the_reliability_adds_up_to_the_metrics(made: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = made
    with (folder / "plots" / "reliability.csv").open(newline="") as file:
        rows = [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]
    assert len(rows) == 15
    for state in ("", "_uncalibrated"):
        filled = [row for row in rows if row[f"images{state}"]]
        assert sum(row[f"images{state}"] for row in filled) == 30
        gaps = [row[f"images{state}"] * abs(row[f"accuracy{state}"] - row[f"confidence{state}"]) for row in filled]
        assert sum(gaps) / 30 == pytest.approx(metrics[f"ece{state}"], abs=1e-4)
        assert all(row["from"] < row[f"confidence{state}"] <= row["to"] for row in filled)


def test_the_same_inputs_give_the_same_bytes(made: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = made
    before = {name: (folder / "classifier" / name).read_bytes() for name in (HEAD, CONFIG, ONNX)}
    assert run_stage(folder) == metrics
    assert {name: (folder / "classifier" / name).read_bytes() for name in before} == before


def test_names_may_be_any_and_a_class_without_a_train_image_is_never_the_answer(encoder: Path, tmp_path: Path) -> None:
    """Of the last class there is no image at all, of the second none to train on."""
    names = ['a "b",\n', "\u202eéÜ猫", "-0", "x" * 300]
    labels: list[int | None] = [(0, 1, 2)[n % 3] for n in range(36)]
    splits = [TEST if n < 12 or n % 3 == 1 else TRAIN for n in range(36)]
    folder = write_inputs(tmp_path, encoder, labels, splits, names)
    assert run_stage(folder)["accuracy"] < 1
    by_onnx, by_loader = answer(folder, TEST)
    assert (by_onnx[:, [1, 3]] == 0).all()
    assert (by_loader[:, [1, 3]] == 0).all()
    loaded = load_classifier(folder / "classifier")
    assert list(loaded.classes) == names
    assert loaded.config.untrained == (names[1], names[3])
    session = onnxruntime.InferenceSession(folder / "classifier" / ONNX)
    assert json.loads(session.get_modelmeta().custom_metadata_map[CLASSES]) == names


@pytest.mark.parametrize(
    ("label", "reason"), [(None, "there are no labels"), (0, "all labels are of one class")], ids=["none", "one"]
)
def test_without_two_classes_there_is_a_line_that_says_how_to_switch_it_off(
    label: int | None, reason: str, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The night goes on without a classifier, as it does without a probe; an older classifier does not stay."""
    folder = write_inputs(tmp_path, encoder, [label] * 6, [UNLABELLED if label is None else TRAIN] * 6, ["cat"])
    (folder / "classifier").mkdir()
    for name in (HEAD, CONFIG, ONNX):
        (folder / "classifier" / name).write_text("of a run with labels")
    said = run_stage(folder)["skipped"]
    assert said == (
        f"needs train images of two classes or more, and {reason}; classifier.encoders: [] in params.yaml "
        "leaves the stage out"
    )
    assert capsys.readouterr().out == f"classifier: skipped: {said}\n"
    assert [path.name for path in (folder / "classifier").iterdir()] == ["skipped.txt"]
    assert pq.read_table(folder / "predictions" / "classifier.parquet").num_rows == 0
    with pytest.raises(InputError, match=f"no classifier here: needs .* {reason}"):
        load_classifier(folder / "classifier")


def test_without_a_test_image_it_is_made_and_not_judged(encoder: Path, tmp_path: Path) -> None:
    folder = write_inputs(tmp_path, encoder, [0, 1] * 8, [TRAIN] * 16, ["cat", "dog"])
    assert run_stage(folder).keys() == {"temperature", "c"}
    assert len((folder / "plots" / "reliability.csv").read_text().splitlines()) == 1
    assert load_classifier(folder / "classifier").classes == ("cat", "dog")


def test_another_encoders_embeddings_are_refused_in_a_line(encoder: Path, tmp_path: Path) -> None:
    folder = write_inputs(tmp_path, encoder, [0, 1] * 8, [TRAIN] * 16, ["cat", "dog"])
    config = json.loads((encoder / CONFIG).read_text())
    (folder / "encoder").unlink()
    (folder / "encoder").mkdir()
    (folder / "encoder" / CONFIG).write_text(json.dumps(config | {"features": 7}))
    with pytest.raises(InputError, match=r"not of the encoder of the embeddings; `dvc repro embed`"):
        run_stage(folder)
    (folder / "encoder" / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"encoder\.onnx: missing; `dvc repro pretrain` writes it"):
        run_stage(folder)
    (folder / "encoder" / "encoder.onnx").write_bytes((encoder / "encoder.onnx").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"encoder\.onnx: damaged"):
        run_stage(folder)


def test_a_damaged_classifier_is_refused_in_a_line(made: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    folder = made[0] / "classifier"
    for name, change, reason in [
        (HEAD, lambda content: content[:-1] + b"?", "its SHA-256 is another one"),
        (CONFIG, lambda content: content.replace(b'"dog"', b"7"), r"classes\.1: Input should be a valid string"),
        (CONFIG, lambda content: content.replace(b'"dog",', b""), "not {"),
        (CONFIG, lambda content: content[:50], "EOF"),
    ]:
        broken = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        broken.mkdir()
        for file in (HEAD, CONFIG):
            content = (folder / file).read_bytes()
            (broken / file).write_bytes(change(content) if file == name else content)
        with pytest.raises(InputError, match=reason):
            load_classifier(broken)
    with pytest.raises(InputError, match=rf"no classifier here \({CONFIG} is missing\); `dvc repro classifier`"):
        load_classifier(tmp_path / "nowhere")
