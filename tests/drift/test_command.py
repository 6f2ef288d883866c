"""`python -m components.drift` on real digits finds the new images of a store and reports their drift.

The reference is what the stage embed wrote of the first digits; the store then holds further digits as well.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_digits

from components.drift import __main__ as drift
from components.drift.__main__ import embed_rows, read_reference_features
from components.drift.params import Drift
from components.embed import __main__ as embed
from components.encoder.saved import save_encoder
from components.features import embeddings
from components.features.embeddings import read_embeddings
from components.features.load import load_encoder
from components.stage import command as stage
from components.stage.errors import InputError
from tests.conftest import ROOT
from tests.embed.embedded import make_embed_settings
from tests.encoder.made import make_encoder
from tests.small import fill_store

KNOWN, NEW = 400, 120
PARAMS = Drift(images=300, permutations=499, seed=0)
# Shuffled, since the digits of a writer are together.
DIGITS = np.random.default_rng(0).permutation(load_digits().images * 15.9)
FIRST, FURTHER = list(DIGITS[:KNOWN]), list(DIGITS[KNOWN : KNOWN + NEW])
SPLITS = ["train", "test", "unlabelled", "train"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `encoder` and `embeddings` of the first digits, in several row groups."""
    folder = tmp_path_factory.mktemp("champion")
    write_digits(folder / "store", FIRST)
    save_encoder(folder / "encoder", *make_encoder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "GROUP_ROWS", 90)
        written = folder / "embeddings"
        embed.run(make_embed_settings(), store=folder / "store", encoder=folder / "encoder", embeddings=written)
    return folder


def write_digits(folder: Path, images: list[np.ndarray]) -> Path:
    labels = [None if split == "unlabelled" else 0 for split in SPLITS] * (len(images) // 4)
    fill_store(folder, images, labels=labels, splits=SPLITS * (len(images) // 4))
    return folder


def run(folder: Path, store_folder: Path, params: Drift = PARAMS, **inputs: Path) -> dict[str, Any]:
    given = {"encoder": folder / "encoder", "reference": folder / "embeddings" / "byol.parquet", "store": store_folder}
    drift.run(params, make_embed_settings(), **(given | inputs), metrics=store_folder / "drift.json")
    result: dict[str, Any] = json.loads((store_folder / "drift.json").read_text())
    return result


def test_more_of_the_same_digits_are_no_drift(folder: Path, tmp_path: Path) -> None:
    result = run(folder, write_digits(tmp_path, FIRST + FURTHER))
    assert result["p_value"] > 0.05
    assert abs(result["statistic"]) < 0.01
    assert result["mean_cosine"] > 0.99
    assert (result["new"], result["reference"], result["permutations"]) == (NEW, 300, 499)


@pytest.mark.parametrize(
    "spoil",
    [np.zeros_like, lambda image: 255 - image, np.rot90, lambda image: np.where(np.arange(8) < 4, image, 0)],
    ids=["blank", "negative", "turned", "half"],
)
def test_spoiled_digits_are_found(spoil: Any, folder: Path, tmp_path: Path) -> None:
    result = run(folder, write_digits(tmp_path, FIRST + [spoil(image) for image in FURTHER]))
    assert result["p_value"] == 1 / 500


def test_a_few_blank_ones_among_many_are_found(folder: Path, tmp_path: Path) -> None:
    result = run(folder, write_digits(tmp_path, FIRST + [image * (n % 5 > 0) for n, image in enumerate(FURTHER)]))
    assert result["p_value"] < 0.05


def test_nothing_new_is_said_so_and_one_image_is_too_few(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"p_value": None, "statistic": None, "mean_cosine": None, "reference": 300, "permutations": 499}
    assert run(folder, write_digits(tmp_path / "none", FIRST[:40])) == nothing | {"new": 0}
    assert capsys.readouterr().out == "drift: no new images\n"
    fill_store(tmp_path / "one", FIRST + FURTHER[:1])
    assert run(folder, tmp_path / "one") == nothing | {"new": 1}
    assert capsys.readouterr().out == "drift: 1 new image, too few to compare: at least 2 are needed\n"


def test_the_same_run_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(folder, write_digits(tmp_path / name, FIRST + FURTHER), PARAMS.model_copy(update={"images": 50}))
    assert (tmp_path / "one" / "drift.json").read_bytes() == (tmp_path / "two" / "drift.json").read_bytes()


def test_images_are_embedded_as_the_stage_does_and_the_reference_is_read_where_it_stands(folder: Path) -> None:
    loaded, opened = load_encoder(folder / "encoder"), drift.Store(folder / "store")
    expected = read_embeddings(folder / "embeddings" / "byol.parquet").features
    rows = np.array([0, 3, 89, 90, 91, 270, 398, 399])
    np.testing.assert_array_equal(read_reference_features(folder / "embeddings" / "byol.parquet", rows), expected[rows])
    settings = make_embed_settings(batch_size=3)
    np.testing.assert_allclose(embed_rows(opened, rows, loaded, settings), expected[rows], atol=1e-5)


def test_embeddings_of_another_width_are_refused(folder: Path, tmp_path: Path) -> None:
    write_digits(tmp_path, FIRST[:40])
    with pytest.raises(InputError, match="16 features per image, the encoder gives 8: --reference must be what"):
        run(folder, tmp_path, reference=folder / "embeddings" / "pixels.parquet")


def test_what_is_no_reference_is_named(folder: Path, tmp_path: Path) -> None:
    store_folder = write_digits(tmp_path / "store", FIRST[:40])
    (tmp_path / "text").write_text("id")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "ids")
    pq.write_table(pa.table({"id": ["a"], "split": ["train"], "label": [0], "embedding": [[0.0]]}), tmp_path / "lists")
    pq.write_table(pq.read_table(folder / "embeddings" / "byol.parquet")[:1], tmp_path / "short")
    reasons = {
        "gone": "missing",
        "store": "cannot be read as Parquet",
        "text": "cannot be read as Parquet",
        "ids": "no column split",
        "lists": "the column embedding is no list of float32",
        "short": "images: 1; at least 2",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=f"{name}: {reason}"):
            run(folder, store_folder, reference=tmp_path / name)


def test_an_encoder_that_broke_is_told_from_drift(folder: Path, tmp_path: Path) -> None:
    network, config = make_encoder()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    save_encoder(tmp_path / "encoder", network, config)
    write_digits(tmp_path, FIRST + FURTHER)
    with pytest.raises(InputError, match="not finite"):
        run(folder, tmp_path, encoder=tmp_path / "encoder")


def test_the_command_writes_the_file_and_a_wrong_folder_is_one_line_and_status_2(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store_folder = write_digits(tmp_path / "store", FIRST + FURTHER)

    def flags(encoder: Path) -> list[str]:
        paths = {"encoder": encoder, "reference": folder / "embeddings" / "byol.parquet", "store": store_folder}
        paths["metrics"] = tmp_path / "metrics" / "drift.json"
        return [part for flag, path in paths.items() for part in (f"--{flag}", str(path))]

    line = [sys.executable, "-m", "components.drift", *flags(folder / "encoder")]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "120 of 120 new images against 400 of the reference" in said
    assert json.loads((tmp_path / "metrics" / "drift.json").read_text())["new"] == NEW

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["drift", *flags(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as ended:
        stage.main(drift.run)
    assert ended.value.code == 2
    assert re.fullmatch(r".*/nowhere: no encoder here .*\n", capsys.readouterr().err)
