"""CIFAR-10 by the preset: how accurate after how many seconds, each seed from nothing to its final epoch.

`python -m benchmarks.accuracy --cifar10 ROOT --seeds 0 1 2` needs PyTorch and torchvision. While it trains, kNN on
held-out *train* images against time; at the end, and only then, the test split: kNN with both habits, a linear layer
whose learning rate is chosen on held-out train images, and with scikit-learn logistic regression whose C is.
"""

import argparse
import statistics
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import cifar10
from benchmarks.records import deviation, write_record
from components.byol import train
from components.byol.device import choose_device, prepare
from components.byol.engine import Engine
from components.params.evaluate import Evaluate, Knn
from components.params.pretrain import Pretrain
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.statistics import hold_out_rows
from components.stage import PARAMS_FILE, one_line_errors, read_params
from components.watch.readings import Sample, embed_images, knn_accuracy

Labelled = tuple[Tensor, Tensor]  # (N, 3, S, S) uint8 and (N,)
HABITS = {"knn_k200_t0.1": (200, 0.1), "knn_k20_t0.07": (20, 0.07)}  # lightly's and DINO's


def main() -> None:
    """Train and judge every seed, write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--images", type=int, help="the first so many train images instead of all")
    parser.add_argument("--name", default="accuracy", help="of the record")
    asked = parser.parse_args()
    with one_line_errors("accuracy"):
        params = cifar10.setting(asked.preset, epochs=asked.epochs)
        device = choose_device(asked.device, "--device")
        prepare(device, params.threads)
        images, labels = (part[: asked.images] for part in cifar10.read(asked.cifar10, test=False))
        judged = cifar10.read(asked.cifar10, test=True)
        probes: Evaluate = read_params(PARAMS_FILE).evaluate
    runs = {}
    for seed in asked.seeds:
        runs[seed] = run(params.model_copy(update={"seed": seed}), probes, (images, labels), judged, device)
        print(f"seed {seed}: {numbers(runs[seed])}", flush=True)
    by_number = {key: [numbers(run)[key] for run in runs.values()] for key in numbers(runs[asked.seeds[0]])}
    means = {key: statistics.fmean(values) for key, values in by_number.items()}
    spread = {key: deviation(values) for key, values in by_number.items()}
    record = {"params": params.model_dump(mode="json"), "mean": means, "spread": spread, "runs": runs}
    write_record(f"{asked.name}-{device.type}", record, "torch", "torchvision")


def numbers(run: dict[str, Any]) -> dict[str, float]:
    """What a run ends with, without its course."""
    return {key: value for key, value in run.items() if key != "course"}


def run(
    params: Pretrain,
    probes: Evaluate,
    trained: Labelled,
    judged: Labelled,
    device: torch.device,
) -> dict[str, Any]:
    """One seed: what it cost, its course, and what the final epoch is worth on the test split."""
    images, labels = trained
    rng = np.random.default_rng(params.seed)
    rows = torch.from_numpy(rng.permutation(len(images)))
    queries = rows[: min(params.watch.knn_queries, len(rows) // 2)]
    bank = rows[len(queries) :][: params.watch.knn_bank]
    sample = Sample(images[:0], images[queries], labels[queries], images[bank], labels[bank])
    began = time.perf_counter()
    state, engine, feed = cifar10.start(params, images, device)
    course: list[dict[str, float]] = []
    watched = 0.0  # seconds of looking on, which are not the run's

    def on_epoch(state: train.State, record: train.EpochRecord) -> None:
        nonlocal watched
        if record.epoch % params.watch.every_epochs and state.step < state.steps:
            return
        seconds = time.perf_counter() - began - watched  # finishing the epoch has waited for the device
        state.online.eval()
        accuracy = knn_accuracy(state, engine, sample, params)
        state.online.train()
        watched += time.perf_counter() - began - watched - seconds
        course.append({"epoch": record.epoch, "seconds": seconds, "loss": record.loss, "held_out_knn": accuracy})
        print(course[-1], flush=True)

    train.train(state, engine, feed, params, on_step=lambda _: None, on_epoch=on_epoch)
    seconds = course[-1]["seconds"]
    state.online.eval()
    scores = judge(state, engine, params, probes, trained, judged)
    rate = state.steps * params.batch_size / seconds
    return {"seconds": seconds, "images_per_second": rate, **scores, "course": course}


def judge(
    state: train.State,
    engine: Engine,
    params: Pretrain,
    probes: Evaluate,
    trained: Labelled,
    judged: Labelled,
) -> dict[str, float]:
    """Accuracies on the test split."""
    (images, labels), (tested, truth) = trained, judged
    train_features, test_features = (
        embed_images(state.online.encoder, part, engine, params).cpu().numpy() for part in (images, tested)
    )
    expected, known = truth.numpy(), labels.numpy()
    held_out = hold_out_rows(known, probes.shared.validation_fraction, np.random.default_rng(params.seed))
    classes = int(known.max()) + 1

    def share(predictions: np.ndarray) -> float:
        return float((predictions == expected).mean())

    scores = {}
    for name, (k, temperature) in HABITS.items():
        probe = KnnProbe(train_features, test_features, classes, Knn(k=k, temperature=temperature), params.seed)
        scores[name] = share(probe.from_all(known, held_out))
    linear = LinearProbe(train_features, test_features, classes, probes.linear, params.seed)
    scores["linear"] = share(linear.from_all(known, held_out))
    if find_spec("sklearn"):
        from components.probes.logistic import LogisticProbe

        logistic = LogisticProbe(train_features, test_features, classes, probes.logistic, params.seed)
        scores["logistic"] = share(logistic.from_all(known, held_out))
    return scores


if __name__ == "__main__":
    main()
