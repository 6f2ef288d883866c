"""Measures the recipe of params.yaml over several seeds: pretrain, embed and every probe, by the stages without DVC.

`python -m benchmarks.recipe --seeds 0 1 2` writes benchmarks/results/recipe.json: every seed, the mean and the spread.
The split, the draws of labels and the baselines' pixels stay the same; the network and its views change with the seed.
`--held-out` judges on a part of the train split instead; this is how a recipe is chosen without the test split.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.records import deviation, write_record
from components.embed import __main__ as embed
from components.evaluate import __main__ as evaluate
from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.stage import command as stage
from components.store.store import TEST, TRAIN, Row, Store, write_store

HELD_OUT_FRACTION = 0.2


def main() -> None:
    """Measure every seed and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipe", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--held-out", action="store_true", help="judge on held-out train images; writes no record")
    parser.add_argument("--params", type=Path, default=stage.PARAMS_FILE)
    arguments = parser.parse_args()
    with stage.exit_on_error("recipe"):
        params = stage.read_params(arguments.params)
        runs = {seed: run_once(params, seed, arguments.held_out) for seed in arguments.seeds}
    results = {
        "params": params.model_dump(mode="json"),
        "mean": combine_runs(list(runs.values()), statistics.fmean),
        "spread": combine_runs(list(runs.values()), deviation),
        "runs": runs,
    }
    print(json.dumps(results["mean"], indent=2))
    if not arguments.held_out:
        write_record("recipe", results, "torch", "torchvision", "scikit-learn", "numpy")


def place_fetch_outputs(root: Path) -> dict[str, Path]:
    """Return where the stage `fetch` is to write, and labels that nobody gave, by flag."""
    names = {"labels": "labels", "store": "store", "metrics": "data.json", "findings": "f", "scratch": "scratch"}
    return {flag: root / name for flag, name in names.items()}


def run_once(params: Any, seed: int, held_out: bool) -> dict[str, Any]:
    """Run all stages but the report with this seed of the network; return {metrics file: its content}."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fetch.run(params.data, **place_fetch_outputs(root))
        if held_out:
            hold_out(root / "store", seed)
        pretrain.run(
            params.pretrain.model_copy(update={"seed": seed}),
            store=root / "store",
            **place_pretrain_outputs(root),
        )
        embed.run(params.embed, store=root / "store", encoder=root / "encoder", embeddings=root / "embeddings")
        judged = {probe: judge(params.evaluate, probe, root / "store", root) for probe in params.evaluate.probes}
        return {"pretrain": json.loads((root / "pretrain.json").read_text()), **judged}


def judge(params: Any, probe: str, store: Path, root: Path) -> dict[str, Any]:
    """Run a probe on what lies in a folder, and return its metrics; `params` is the section `evaluate`."""
    metrics = root / f"{probe}.json"
    evaluate.run(
        params,
        probe=probe,
        store=store,
        encoder=root / "encoder",
        embeddings=root / "embeddings",
        metrics=metrics,
        predictions=root / f"{probe}.parquet",
        plots=root / "plots",
    )
    measured: dict[str, Any] = json.loads(metrics.read_text())
    return measured


def place_pretrain_outputs(root: Path) -> dict[str, Path]:
    """Return where the stage `pretrain` is to write, by flag."""
    files = {"metrics": "pretrain.json", "curve": "curve.csv", "views": "views.png"}
    folders = {name: name for name in ("starts", "encoder", "scratch", "live")}
    return {flag: root / name for flag, name in (files | folders).items()}


def hold_out(folder: Path, seed: int) -> None:
    """Drop the test images of a store and make a part of its train images the test split."""
    store = Store(folder)
    rows = [row for row in store.read_columns(["id", "image", "label", "split"]).to_pylist() if row["split"] == TRAIN]
    labels = [row["label"] for row in rows]
    _, judged = train_test_split(np.arange(len(rows)), test_size=HELD_OUT_FRACTION, stratify=labels, random_state=seed)
    test_rows = set(judged.tolist())
    kept = [
        Row(row["id"], row["image"]["bytes"], row["image"]["path"], row["label"], TEST if n in test_rows else TRAIN)
        for n, row in enumerate(rows)
    ]
    write_store(folder, kept, store.class_names)


def combine_runs(runs: list[Any], combine: Any) -> Any:
    """Return a tree like that of each run, in which every number is what `combine` makes of it over the runs."""
    first = runs[0]
    if isinstance(first, dict):
        return {key: combine_runs([run[key] for run in runs], combine) for key in first}
    return combine([float(run) for run in runs])


if __name__ == "__main__":
    main()
