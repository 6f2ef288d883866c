"""Measures what a second night from the champion is worth: its few epochs, beside the champion and beside scratch.

`python -m benchmarks.second_night --seeds 0 1 2` writes benchmarks/results/second_night.json. The champion has trained
on a part of the train images, for as long as params.yaml says. Then all images are there, and three encoders are
trained on them: from the champion with `retrain.warm`, from scratch for as few epochs, and from scratch for as long as
the champion. All four are judged on the same test images, as the gate judges them: with the labels of all train images.
`--held-out` judges on a part of the train split instead; this is how `retrain.warm` was chosen without the test split.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import recipe
from benchmarks.records import deviation, write_record
from components.embed import __main__ as embed
from components.encoder.saved import CONFIG, WEIGHTS
from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.stage import command as stage
from components.stage.yaml_file import read_yaml
from components.store.store import TRAIN, Row, Store, write_store
from presets.apply import merge

SHARE = 0.7  # of the train images that the champion has seen
PROBES = ("logistic", "linear", "knn")
CHAMPION, FEW, WARM, WHOLE = "champion", "few epochs from scratch", "second night", "whole training from scratch"


def main() -> None:
    """Measure every seed and write the record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.second_night", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--held-out", action="store_true", help="judge on held-out train images; writes no record")
    asked = parser.parse_args()
    with stage.exit_on_error("second_night"):
        settings = {name: read_settings(name) for name in (CHAMPION, FEW, WARM, WHOLE)}
        runs = {seed: run_seed(settings, seed, asked.held_out) for seed in asked.seeds}
    mean, spread = (recipe.combine_runs(list(runs.values()), combine) for combine in (statistics.fmean, deviation))
    results = {
        "settings": {"seen_by_the_champion": SHARE, "warm": settings[WARM].retrain.warm.model_dump(mode="json")},
        "params": settings[CHAMPION].model_dump(mode="json"),
        "gain": {probe: mean[WARM][probe] - mean[CHAMPION][probe] for probe in PROBES},
        "mean": mean,
        "spread": spread,
        "runs": runs,
    }
    print(json.dumps({key: results[key] for key in ("gain", "mean")}, indent=2))
    if not asked.held_out:
        write_record("second_night", results, "torch", "torchvision", "scikit-learn", "numpy")


def read_settings(name: str) -> Any:
    """Read params.yaml with what an encoder's training has of its own."""
    whole = read_yaml(stage.PARAMS_FILE)
    if name in (FEW, WARM):
        merge(whole["pretrain"], drop_empty(whole["retrain"]["warm"]))
    whole["pretrain"]["start"] = {"kind": "champion" if name == WARM else "none"}
    return stage.check_params(whole, stage.PARAMS_FILE)


def drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Drop the keys that `retrain.warm` leaves as they are in `pretrain`."""
    return {
        key: drop_empty(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def run_seed(settings: dict[str, Any], seed: int, held_out: bool) -> dict[str, dict[str, float]]:
    """Train and judge the four encoders; return {encoder: {probe: accuracy, "epochs": E, "seconds": S}}."""
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fetch.run(settings[CHAMPION].data, **recipe.place_fetch_outputs(root))
        if held_out:
            recipe.hold_out(root / "store", seed)
        write_part(Store(root / "store"), root / "part", seed)
        for name, params in settings.items():
            runs[name] = run_encoder(
                params, seed, root, root / name.replace(" ", "-"), seen="part" if name == CHAMPION else "store"
            )
            print(f"seed {seed}: {name}: {runs[name]}", flush=True)
    return runs


def write_part(store: Store, folder: Path, seed: int) -> None:
    """Write a store that lacks some of the train images."""
    rows = store.read_columns(["id", "image", "label", "split"]).to_pylist()
    drawn = np.random.default_rng(seed).random(len(rows)) < SHARE
    kept = [row for row, is_seen in zip(rows, drawn, strict=True) if is_seen or row["split"] != TRAIN]
    write_store(
        folder,
        [Row(row["id"], row["image"]["bytes"], row["image"]["path"], row["label"], row["split"]) for row in kept],
        store.class_names,
    )


def run_encoder(params: Any, seed: int, root: Path, folder: Path, *, seen: str) -> dict[str, float]:
    """Train an encoder on the images that it has seen, and judge it on all."""
    places = recipe.place_pretrain_outputs(folder)
    if params.pretrain.start.kind == "champion":
        bring_champion(root / CHAMPION / "encoder", places["starts"] / "champion")
    else:
        places["starts"].mkdir(parents=True)
    began = time.perf_counter()
    pretrain.run(params.pretrain.model_copy(update={"seed": seed}), store=root / seen, **places)
    seconds = time.perf_counter() - began
    embed.run(params.embed, store=root / "store", encoder=places["encoder"], embeddings=folder / "embeddings")
    judged = {probe: recipe.judge(params.evaluate, probe, root / "store", folder) for probe in PROBES}
    accuracies = {probe: metrics["byol"]["accuracy"] for probe, metrics in judged.items()}
    return {**accuracies, "epochs": params.pretrain.epochs, "seconds": seconds}


def bring_champion(encoder: Path, target: Path) -> None:
    """Put the champion where a training begins with it, as `python -m pipelines.registry start` does."""
    target.mkdir(parents=True)
    for name in (WEIGHTS, CONFIG):
        shutil.copyfile(encoder / name, target / name)
    (target / "version").write_text("encoder@v0.1.0\n")


if __name__ == "__main__":
    main()
