"""The stage evaluate gives known answers on embeddings of separate classes and of noise, and writes its outputs."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.evaluate import __main__ as evaluate
from components.evaluate.params import Evaluate
from components.stage import command as stage
from components.stage.errors import InputError, RunError
from tests.conftest import ROOT, SHRUNKEN, set_params
from tests.small import fill_store, write_embeddings

CLASSES, PER_CLASS = 5, 40
TEST = CLASSES * PER_CLASS // 2


def read_section(folder: Path, **changes: Any) -> Evaluate:
    """Read the shipped section with small sizes and the changes."""
    path = folder / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    set_params(path, SHRUNKEN | {"evaluate.linear.epochs": 30} | changes)
    section: Evaluate = stage.read_params(path).evaluate
    return section


@pytest.fixture
def params(tmp_path: Path) -> Evaluate:
    return read_section(tmp_path)


def write_features(folder: Path, *, labelled: bool = True, classes: int = CLASSES, begun: bool = False) -> None:
    """Write embeddings: `byol` separates the classes perfectly, and so does `start` if asked for; `random` is noise."""
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), PER_CLASS) % classes
    half = len(labels) // 2
    splits = ["train"] * half + ["test"] * half if labelled else ["unlabelled"] * 2 * half
    named = labels.tolist() if labelled else [None] * len(labels)
    rows = pa.table(
        {
            "id": [f"folder/{n}.png" for n in range(len(labels))],
            "split": splits,
            "label": pa.array(named, pa.int64()),
        }
    )
    kinds = [f"kind {n}" for n in range(CLASSES)]
    fill_store(folder.parent / "store", [np.zeros((8, 8))] * len(labels), labels=named, splits=splits, names=kinds)
    apart = 10 * np.eye(CLASSES)[labels] + generator.normal(0, 0.1, (len(labels), CLASSES))
    for name in ("byol", "start")[: 1 + begun]:
        write_embeddings(folder / f"{name}.parquet", rows, apart)
    write_embeddings(folder / "random.parquet", rows, generator.normal(0, 1, apart.shape))


def run(params: Evaluate, probe: str, folder: Path) -> dict[str, dict[str, Any]]:
    evaluate.run(
        params,
        probe=probe,
        store=folder / "store",
        encoder=folder / "encoder",
        embeddings=folder / "embeddings",
        metrics=folder / "metrics.json",
        predictions=folder / "predictions" / "probe.parquet",
        plots=folder / "plots",
    )
    metrics: dict[str, dict[str, Any]] = json.loads((folder / "metrics.json").read_text())
    return metrics


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("probe", ["knn", "linear", "logistic"])
def test_classes_that_are_apart_are_told_and_noise_is_chance(probe: str, params: Evaluate, tmp_path: Path) -> None:
    write_features(tmp_path / "embeddings")
    metrics = run(params, probe, tmp_path)
    assert metrics["byol"]["accuracy"] == 1
    assert metrics["byol"]["accuracy_2_per_class"] == 1
    assert metrics["byol"]["accuracy_low"] > 0.95
    assert metrics["random"]["accuracy_low"] < 1 / CLASSES < metrics["random"]["accuracy_high"]
    assert metrics["random"]["accuracy_2_per_class"] == pytest.approx(1 / CLASSES, abs=0.07)


def test_a_start_is_an_encoder_like_the_others_and_has_a_file_for_dvc_plots(params: Evaluate, tmp_path: Path) -> None:
    """DVC draws nothing of a file that lacks a column, and an error of one that is missing: it needs both files."""
    write_features(tmp_path / "embeddings")
    assert "start" not in run(params, "knn", tmp_path)
    assert (tmp_path / "plots" / "few_labels_start.csv").read_text().split() == ["labels_per_class,start"]
    write_features(tmp_path / "embeddings", begun=True)
    metrics = run(params, "knn", tmp_path)
    assert metrics["start"] == metrics["byol"]
    for name, encoder in (("few_labels", "byol"), ("few_labels_start", "start")):
        rows = read_csv(tmp_path / "plots" / f"{name}.csv")
        assert {row["labels_per_class"]: float(row[encoder]) for row in rows} == {"2.0": 1}
    predicted = pq.read_table(tmp_path / "predictions" / "probe.parquet")["encoder"].to_pylist()
    assert predicted.count("start") == TEST


@pytest.mark.parametrize(("probe", "metric"), [("retrieval", "map"), ("verification", "accuracy")])
def test_retrieval_and_verification_tell_them_too(probe: str, metric: str, params: Evaluate, tmp_path: Path) -> None:
    write_features(tmp_path / "embeddings")
    metrics = run(params, probe, tmp_path)
    assert metrics["byol"][metric] == 1
    assert metrics["random"][metric] < 0.6
    assert metrics["random"][f"{metric}_low"] < metrics["random"][metric] < metrics["random"][f"{metric}_high"]


@pytest.mark.parametrize("probe", ["knn", "linear", "logistic", "retrieval", "verification"])
def test_what_two_runs_are_compared_by_is_what_the_metrics_are_means_of(
    probe: str, params: Evaluate, tmp_path: Path
) -> None:
    write_features(tmp_path / "embeddings")
    metrics = run(params, probe, tmp_path)
    rows = pq.read_table(tmp_path / "predictions" / "probe.parquet").to_pandas()
    assert list(rows.columns[:4]) == ["id", "encoder", "actual", "predicted"]
    scored = rows.columns[4:]
    assert set(scored) == {name.removesuffix("_low") for name in metrics["byol"] if name.endswith("_low")}
    for encoder in ("byol", "random"):
        of_encoder = rows[rows["encoder"] == encoder]
        assert of_encoder["id"].is_unique
        for name in scored:
            assert of_encoder[name].mean() == pytest.approx(metrics[encoder][name], abs=1e-5)
        assert (of_encoder["actual"] == of_encoder["predicted"]).mean() == pytest.approx(
            metrics[encoder].get("accuracy", metrics[encoder].get("recall_at_1")), abs=1e-5
        )


def test_plots_hold_every_test_image_and_every_encoder(
    params: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_features(tmp_path / "embeddings")
    metrics = run(params, "knn", tmp_path)
    confusion = read_csv(tmp_path / "plots" / "confusion.csv")
    assert len(confusion) == TEST
    assert all(row["actual"] == row["predicted"] for row in confusion)
    rows = {
        row["labels_per_class"]: (row["byol"], row["random"]) for row in read_csv(tmp_path / "plots/few_labels.csv")
    }
    assert rows["2.0"] == ("1.0", str(metrics["random"]["accuracy_2_per_class"]))
    pairs = run(params, "verification", tmp_path)["byol"]["pairs"]
    assert (
        f"evaluate verification: {pairs:,.0f} pairs, not 6,000: the test labels give no more" in capsys.readouterr().out
    )
    roc = read_csv(tmp_path / "plots" / "roc.csv")
    assert [float(row["random"]) for row in roc] == sorted(float(row["random"]) for row in roc)
    assert roc[-1] == {"false_accept_rate": "1.0", "byol": "1.0", "random": "1.0"}


def test_the_same_seed_gives_the_same_numbers(params: Evaluate, tmp_path: Path) -> None:
    write_features(tmp_path / "embeddings")
    assert run(params, "linear", tmp_path) == run(params, "linear", tmp_path)


def test_an_empty_folder_or_an_unknown_probe_ruins_nothing(params: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("kept")
    with pytest.raises(InputError, match=r"no byol\.parquet"):
        run(params, "knn", tmp_path)
    with pytest.raises(InputError, match="no probe is called 'svm'"):
        run(params, "svm", tmp_path)
    assert (tmp_path / "metrics.json").read_text() == "kept"


@pytest.mark.parametrize("probe", ["knn", "linear", "logistic", "retrieval", "verification"])
def test_a_probe_that_needs_labels_is_skipped_with_a_reason_where_there_are_none(
    probe: str, params: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_features(tmp_path / "embeddings", labelled=False)
    metrics = run(params, probe, tmp_path)
    assert set(metrics) == {"byol", "random"}
    assert metrics["byol"]["skipped"].startswith("needs labelled")
    assert f"evaluate {probe}: skipped: needs labelled" in capsys.readouterr().out
    assert pq.read_table(tmp_path / "predictions" / "probe.parquet").num_rows == 0
    assert list((tmp_path / "plots").iterdir()) == []


def test_one_class_is_nothing_to_tell_apart(params: Evaluate, tmp_path: Path) -> None:
    write_features(tmp_path / "embeddings", classes=1)
    assert run(params, "knn", tmp_path)["byol"]["skipped"].startswith("needs two classes or more")


def test_what_was_not_measured_is_said_and_recorded_and_no_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_features(tmp_path / "embeddings")
    asked = read_section(tmp_path, **{"evaluate.shared.labels_per_class": [2, 30]})
    metrics = run(asked, "knn", tmp_path)
    names = {name.removesuffix("_low").removesuffix("_high") for name in metrics["byol"]}
    assert names == {"accuracy", "accuracy_2_per_class"}
    reasons = {row["metric"]: row["reason"] for row in read_csv(tmp_path / "plots" / "left_out.csv")}
    assert reasons == {
        "accuracy_k200": "there are only 100 labelled train images",
        "accuracy_30_per_class": "class 'kind 0' has only 20 of the 30 train labels",
        "accuracy_1_percent": "no train label of class 'kind 0' would be in the share; it has only 20",
        "accuracy_10_percent": "would be from as many labels of each class as accuracy_2_per_class",
    }
    printed = capsys.readouterr().out
    for metric, reason in reasons.items():
        assert printed.count(f"evaluate knn: {metric} is left out: {reason}\n") == 1
    run(read_section(tmp_path, **{"evaluate.knn.also": [], "evaluate.shared.label_fractions": []}), "knn", tmp_path)
    assert not (tmp_path / "plots" / "left_out.csv").exists()


def test_pairs_come_from_a_file_that_is_named(tmp_path: Path) -> None:
    """Ada's two photographs are alike, Bob's are alike, and theirs are not."""
    names = [f"lfw/{name}/{name}_{n:04}.jpg" for name in ("Ada", "Bob") for n in (1, 2)]
    rows = pa.table({"id": names, "split": ["train", "test", "unlabelled", "test"], "label": pa.nulls(4, pa.int64())})
    write_embeddings(tmp_path / "embeddings/byol.parquet", rows, np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]]))
    (tmp_path / "pairs.txt").write_text("2 1\nAda 1 2\nAda 1 Bob 1\nBob 1 2\nAda 2 Bob 2\n")
    named = read_section(tmp_path, **{"evaluate.verification.pairs": str(tmp_path / "pairs.txt")})
    metrics = run(named, "verification", tmp_path)
    assert metrics["byol"]["accuracy"] == metrics["byol"]["roc_auc"] == 1
    assert (metrics["byol"]["pairs"], metrics["byol"]["pairs_seen"]) == (4, 3), "Bob's first is unlabelled, Ada's train"
    (tmp_path / "pairs.txt").write_text("2 1\nAda 1 2\nAda 1 Eve 1\nBob 1 2\nAda 2 Bob 2\n")
    with pytest.raises(InputError, match=r"pairs\.txt: pair 2: no image of the store is called \.\.\./Eve/Eve_0001"):
        run(named, "verification", tmp_path)
    (tmp_path / "pairs.txt").write_bytes("2 1\nJosé 1 2".encode("latin-1"))
    with pytest.raises(InputError, match=r"evaluate\.verification\.pairs: .*pairs\.txt cannot be read: not UTF-8"):
        run(named, "verification", tmp_path)
    missing = read_section(tmp_path, **{"evaluate.verification.pairs": str(tmp_path / "none.txt")})
    with pytest.raises(InputError, match=r"evaluate\.verification\.pairs: .*none\.txt cannot be read"):
        run(missing, "verification", tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("evaluate.shared.label_fractions", [0.1, 0.1], "each number once"),
        ("evaluate.knn.also", [{"k": 5, "temperature": 0.1}, {"k": 5, "temperature": 1.0}], "each k once"),
        ("evaluate.shared.device", "mps", "device"),
        ("evaluate.verification.pairs_per_fold", 7, "multiple of 2"),
        ("evaluate.robustness.jpeg", [0], "greater than or equal to 1"),
        ("evaluate.finetune.fractions", [1.5], "less than or equal to 1"),
    ],
)
def test_a_slip_in_the_section_is_found_before_any_work(tmp_path: Path, key: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_section(tmp_path, **{key: value})


@pytest.mark.parametrize("probe", ["knn", "linear", "logistic", "retrieval", "verification"])
def test_a_probe_reads_its_own_parameters_and_the_shared_ones_alone(
    probe: str, params: Evaluate, tmp_path: Path
) -> None:
    """DVC reruns a probe when these change; if it read another section as well, its numbers could become stale without
    anyone noticing. tests/probes/test_judged_from_images.py checks the probes that read images."""
    write_features(tmp_path / "embeddings")
    others = [name for name in Evaluate.model_fields if name not in ("shared", probe)]
    run(params.model_copy(update=dict.fromkeys(others)), probe, tmp_path)


def test_features_that_are_no_numbers_are_said_in_one_line(params: Evaluate, tmp_path: Path) -> None:
    rows = pa.table({"id": ["a", "b"], "split": ["train", "test"], "label": [0, 1]})
    write_embeddings(tmp_path / "embeddings/byol.parquet", rows, np.array([[1.0, 0.0], [np.nan, 1.0]]))
    with pytest.raises(RunError, match=r"byol\.parquet: 1 of 2 rows are not finite; did the training diverge"):
        run(params, "knn", tmp_path)
