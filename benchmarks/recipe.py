"""The recipe of params.yaml over several seeds: pretrain, embed, and every probe, as the stages do it, without DVC.

`python -m benchmarks.recipe --seeds 0 1 2` writes benchmarks/results/recipe.json: each seed, the mean and the spread.
The split, the draws of labels and the baselines' pixels stay the same; the network and its views change with the seed.
`--held-out` judges on a part of the train split instead, which is how a recipe is chosen without the test split.
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
    """Measure and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipe", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--held-out", action="store_true", help="judge on held-out train images; writes no record")
    parser.add_argument("--params", type=Path, default=stage.PARAMS_FILE)
    arguments = parser.parse_args()
    with stage.one_line_errors("recipe"):
        params = stage.read_params(arguments.params)
        runs = {seed: run_once(params, seed, arguments.held_out) for seed in arguments.seeds}
    found = {
        "params": params.model_dump(mode="json"),
        "mean": over_seeds(list(runs.values()), statistics.fmean),
        "spread": over_seeds(list(runs.values()), deviation),
        "runs": runs,
    }
    print(json.dumps(found["mean"], indent=2))
    if not arguments.held_out:
        write_record("recipe", found, "torch", "torchvision", "scikit-learn", "numpy")


def fetch_outputs(root: Path) -> dict[str, Path]:
    """What the stage writes."""
    return {"store": root / "store", "metrics": root / "data.json", "findings": root / "f", "scratch": root / "scratch"}


def run_once(params: Any, seed: int, held_out: bool) -> dict[str, Any]:
    """All stages but the report with this seed of the network: {file: its metrics}."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fetch.run(params.data, **fetch_outputs(root))
        if held_out:
            hold_out(root / "store", seed)
        pretrain.run(
            params.pretrain.model_copy(update={"seed": seed}),
            store=root / "store",
            **pretrain_outputs(root),
        )
        embed.run(params.embed, store=root / "store", encoder=root / "encoder", embeddings=root / "embeddings")
        for probe in params.evaluate.probes:
            evaluate.run(
                params.evaluate,
                probe=probe,
                store=root / "store",
                encoder=root / "encoder",
                embeddings=root / "embeddings",
                metrics=root / f"{probe}.json",
                predictions=root / f"{probe}.parquet",
                plots=root / "plots",
            )
        names = ["pretrain", *params.evaluate.probes]
        return {name: json.loads((root / f"{name}.json").read_text()) for name in names}


def pretrain_outputs(root: Path) -> dict[str, Path]:
    """Where the stage writes, by flag."""
    files = {"metrics": "pretrain.json", "curve": "curve.csv", "views": "views.png"}
    folders = {name: name for name in ("encoder", "scratch", "live")}
    return {flag: root / name for flag, name in (files | folders).items()}


def hold_out(folder: Path, seed: int) -> None:
    """Forget the test images and take a part of the train images in their place."""
    store = Store(folder)
    rows = [row for row in store.table(["id", "image", "label", "split"]).to_pylist() if row["split"] == TRAIN]
    labels = [row["label"] for row in rows]
    _, judged = train_test_split(np.arange(len(rows)), test_size=HELD_OUT_FRACTION, stratify=labels, random_state=seed)
    tested = set(judged.tolist())
    kept = [
        Row(r["id"], r["image"]["bytes"], r["image"]["path"], r["label"], TEST if n in tested else TRAIN)
        for n, r in enumerate(rows)
    ]
    write_store(folder, kept, store.class_names)


def over_seeds(runs: list[Any], combine: Any) -> Any:
    """The same tree with each number replaced by what `combine` makes of it over the runs."""
    first = runs[0]
    if isinstance(first, dict):
        return {key: over_seeds([run[key] for run in runs], combine) for key in first}
    return combine([float(run) for run in runs])


if __name__ == "__main__":
    main()
