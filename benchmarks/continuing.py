"""Measures what going on from trained weights does to them: naively, with each kind of care alone, and with the preset.

`python -m benchmarks.continuing digits --seeds 0 1 2` begins with an encoder that BYOL trained on the digits 0 to 4 by
the recipe of params.yaml, and goes on with the digits 5 to 9. `python -m benchmarks.continuing cifar10 --root ROOT
--seeds 0 1 2` begins with an encoder that learned classes of CIFAR-10 by their labels, as published weights have: five
classes, and it goes on with images of the other five, or, with `cifar10-known`, all ten, and it goes on with images of
the same. Test images judge the encoder before and after: those of the classes that it goes on with, and those of the
classes that the start has learned, which tells what is forgotten.
N images, C channels, S pixels per side.
"""

import argparse
import copy
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks import cifar10
from benchmarks.records import deviation, write_record
from components.encoder.build import build_encoder, count_features
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import hold_out_rows
from components.learning.device import prepare_device
from components.learning.engine import start_engine
from components.learning.objective import Objective
from components.learning.replicas import ALONE
from components.pretrain import loop
from components.pretrain.feeds.maker import build_batched_maker
from components.pretrain.feeds.resident import ResidentFeed
from components.pretrain.params import Pretrain
from components.pretrain.readings import embed_images, scale_and_normalise
from components.probes.knn import KnnProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, check_params, exit_on_error, read_params
from presets.apply import apply_presets, merge, read_preset, to_plain

CPU = torch.device("cpu")
FIRST = {"digits": 5, "cifar10": 5, "cifar10-known": 10}  # so many classes the start has learned
SWEEP = 12  # values of C for the logistic regression
EPOCHS = {"digits": 16, "cifar10": 4, "cifar10-known": 4}  # to go on for
SIDE = 16  # pixels of CIFAR-10, whose images are scaled down, so that it takes minutes
IMAGES = {"start": 5000, "new": 2000, "test": 1000}  # of CIFAR-10, at most
LABELLED = {"epochs": 10, "batch_size": 64, "learning_rate": 0.002}  # of the start that learns by labels, by AdamW
Weights = dict[str, Tensor]
Row = dict[str, float]


@dataclass(frozen=True)
class Images:
    """Labelled images."""

    images: Tensor  # (N, C, S, S) uint8
    labels: Tensor  # (N,) int64

    def choose(self, rows: Tensor, count: int = 10**9) -> "Images":
        """Return at most so many of the rows for which a mask (N,) is true."""
        wanted = rows.nonzero()[:count, 0]
        return Images(self.images[wanted], self.labels[wanted])


@dataclass(frozen=True)
class Data:
    """The images of a measurement: those of the start's classes, and those of the classes to go on with."""

    start: Images
    start_test: Images
    new: Images
    new_test: Images


def main() -> None:
    """Measure every seed and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.continuing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", choices=EPOCHS)
    parser.add_argument("--root", type=Path, help=cifar10.ROOT_HELP)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--ways", nargs="+", help="only these; writes no record")
    asked = parser.parse_args()
    with exit_on_error("continuing"):
        prepare_device(CPU, 1)
        ways = {name: way for name, way in list_ways(asked.data).items() if name in (asked.ways or [name])}
        data = read_digits() if asked.data == "digits" else read_cifar10(asked.root, asked.data)
        runs: dict[int, dict[str, Row]] = {}
        for seed in asked.seeds:
            runs[seed] = measure(data, ways, seed, by_labels=asked.data != "digits")
            if not asked.ways:
                write_runs(asked.data, ways, runs)


def write_runs(data: str, ways: dict[str, Any], runs: dict[int, dict[str, Row]]) -> None:
    """Write the record of the seeds measured so far."""
    results = {
        "params": {name: way.pretrain.model_dump(mode="json") for name, way in ways.items()},
        "mean": combine(list(runs.values()), statistics.fmean),
        "spread": combine(list(runs.values()), deviation),
        "runs": runs,
    }
    write_record(f"continuing-{data}", results, "torch", "torchvision", "scikit-learn", "numpy")


def list_ways(data: str) -> dict[str, Any]:
    """List the settings that are compared: the recipe's, each care of the preset `continue` alone, and that preset."""
    presets = [] if data == "digits" else ["cifar10", "cpu"]
    careful = to_plain(read_preset("continue"))["pretrain"]
    care = careful["continuing"]
    changes = {
        "naive": {},
        "continue": {key: careful[key] for key in ("optimiser", "tau_base", "continuing")},
        "rate": {"optimiser": careful["optimiser"]},
        "tau": {"tau_base": careful["tau_base"]},
        "layer decay": {"continuing": {"layer_decay": care["layer_decay"]}},
        "frozen layers": {"continuing": {"frozen_layers": 2}},
        "frozen norms": {"continuing": {"norms": "frozen"}},
        "anchor": {"continuing": {"anchor": care["anchor"] or 10.0}},
        "heads first": {"continuing": {"head_epochs": care["head_epochs"] or 1}},
    }
    settings = {}
    for name, change in changes.items():
        whole = to_plain(apply_presets(PARAMS_FILE, presets))
        shorten(whole["pretrain"], EPOCHS[data])
        merge(whole["pretrain"], change | {"start": {"kind": "champion"}})  # or another: here it is a network in memory
        if data != "digits":
            merge(whole["pretrain"]["images"], {"side": SIDE, "read_side": SIDE})
        settings[name] = check_params(whole, PARAMS_FILE)
    return settings


def shorten(pretrain: Any, epochs: int) -> None:
    """Shorten a run, and its warm-up in proportion."""
    pretrain["optimiser"]["warmup_epochs"] *= epochs / pretrain["epochs"]
    pretrain["epochs"] = epochs


def read_digits() -> Data:
    """Read scikit-learn's digits as the stage fetch does, with every fourth image for the test."""
    digits = load_digits()
    images = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, None]  # (N, 1, 8, 8)
    tested = torch.arange(len(images)) % 4 == 0
    whole = Images(images, torch.from_numpy(digits.target).long())
    begin = whole.labels < FIRST["digits"]
    return Data(
        whole.choose(~tested & begin),
        whole.choose(tested & begin),
        whole.choose(~tested & ~begin),
        whole.choose(tested & ~begin),
    )


def read_cifar10(root: Path, data: str) -> Data:
    """Read parts of CIFAR-10, scaled down; no image of the start is among those to go on with."""
    read = (cifar10.read_cifar10(root, test=test) for test in (False, True))
    train, test = (Images(F.avg_pool2d(images.float(), 32 // SIDE).round().byte(), labels) for images, labels in read)
    classes = FIRST[data]
    half = torch.arange(len(train.labels)) < len(train.labels) // 2
    return Data(
        train.choose(half & (train.labels < classes), IMAGES["start"]),
        test.choose(test.labels < classes, IMAGES["test"]),
        train.choose(~half & (train.labels >= classes % 10), IMAGES["new"]),
        test.choose(test.labels >= classes % 10, IMAGES["test"]),
    )


def measure(data: Data, ways: dict[str, Any], seed: int, *, by_labels: bool) -> dict[str, Row]:
    """Train a start with this seed, judge it, go on from it in each of the ways, and judge what becomes of it."""
    plain = next(iter(ways.values())) if by_labels else read_params(PARAMS_FILE)
    params: Pretrain = plain.pretrain.model_copy(update={"seed": seed})
    start = (learn_by_labels if by_labels else learn_alone)(data.start, params)
    rows = {"start": judge(start, data, plain)}
    print(f"seed {seed}: start: {rows['start']}", flush=True)
    for name, way in ways.items():
        rows[name] = measure_way(start, data, way, seed)
        print(f"seed {seed}: {name}: {rows[name]}", flush=True)
    return rows


def measure_way(start: Weights, data: Data, way: Any, seed: int) -> Row:
    """Go on from the start and judge what becomes of it; `knn_lowest` is the lowest kNN at the end of an epoch."""
    params: Pretrain = way.pretrain.model_copy(update={"seed": seed})
    seen: list[float] = []

    def look(state: loop.State, _: Any) -> None:
        seen.append(judge_by_knn(collect(state.objective.encoder.eval(), data.new, data.new_test, params), way))
        state.objective.train()

    weights = train(build_objective(params, start), data.new, params, look)
    return judge(weights, data, way) | {"knn_lowest": min(seen)}


def build_objective(params: Pretrain, start: Weights | None = None) -> Objective:
    """Build the objective around an encoder that has these weights, or random ones."""
    torch.manual_seed(params.seed)
    encoder = build_empty(params)
    if start:
        encoder.load_state_dict(start)
    return loop.load_objective(params.objective).build_around(encoder, params)


def train(objective: Objective, images: Images, params: Pretrain, look: Callable[[loop.State, Any], None]) -> Weights:
    """Train as the stage does, and `look` at the end of each epoch; return the encoder's weights."""
    feed = ResidentFeed(images.images, build_batched_maker(params, CPU, ALONE))
    state = loop.start_state(objective, params, steps_per_epoch=feed.steps_per_epoch)
    engine = start_engine(objective.networks, params, CPU, ALONE)
    loop.train(state, engine, feed, params, on_step=lambda _: None, on_epoch=look)
    return copy.deepcopy(objective.encoder.state_dict())


def learn_alone(images: Images, params: Pretrain) -> Weights:
    """Train the encoder by BYOL from random weights; return its weights."""
    return train(build_objective(params), images, params, lambda *_: None)


def learn_by_labels(images: Images, params: Pretrain) -> Weights:
    """Train the encoder with a linear layer and cross entropy on flipped images; return the encoder's weights."""
    torch.manual_seed(params.seed)
    encoder = build_empty(params)
    shape = {"channels": params.images.channels, "side": params.images.side}
    network = nn.Sequential(encoder, nn.Linear(count_features(encoder, **shape), int(images.labels.max()) + 1)).train()
    batch, epochs = int(LABELLED["batch_size"]), int(LABELLED["epochs"])
    optimiser = torch.optim.AdamW(network.parameters(), lr=LABELLED["learning_rate"])
    steps = epochs * (len(images.labels) // batch)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(images.labels)), batch)[: steps // epochs]:
            seen = scale_and_normalise(images.images[rows], params)
            flipped = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, seen.flip(3), seen)
            optimiser.zero_grad()
            F.cross_entropy(network(flipped), images.labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            decay.step()
    return copy.deepcopy(encoder.state_dict())


def build_empty(params: Pretrain) -> nn.Module:
    """Build the untrained encoder."""
    return build_encoder(params.encoder, channels=params.images.channels, side=params.images.side)


def collect(encoder: nn.Module, train: Images, test: Images, params: Pretrain) -> LabelledFeatures:
    """Embed images to learn from and images to judge."""
    engine = start_engine({}, params, CPU, ALONE)
    known, asked = (embed_images(encoder, part.images, engine, params).numpy() for part in (train, test))
    return LabelledFeatures(known, train.labels.numpy(), asked, test.labels.numpy(), np.arange(len(asked)).astype(str))


def judge_by_knn(part: LabelledFeatures, whole: Any) -> float:
    """Return the share of the test images that their neighbours classify rightly."""
    answers = KnnProbe(part, whole.evaluate.knn, 0, CPU).from_all(np.empty(0, np.int64))
    return float((answers.predictions["accuracy"] == part.truth).mean())


def judge(weights: Weights, data: Data, whole: Any) -> Row:
    """Return the accuracies on the test images of the new classes, and that of kNN on those of the start's classes."""
    params: Pretrain = whole.pretrain
    encoder = build_empty(params).eval()
    encoder.load_state_dict(weights)
    new = collect(encoder, data.new, data.new_test, params)
    logistic = whole.evaluate.logistic.model_copy(update={"c_count": SWEEP})
    held_out = hold_out_rows(new.labels, whole.evaluate.shared.validation_fraction, np.random.default_rng(params.seed))
    answers = LogisticProbe(new, logistic, params.seed, CPU).from_all(held_out)
    return {
        "knn": judge_by_knn(new, whole),
        "logistic": float((answers.predictions["accuracy"] == new.truth).mean()),
        "knn_start": judge_by_knn(collect(encoder, data.start, data.start_test, params), whole),
    }


def combine(runs: list[dict[str, Row]], function: Any) -> dict[str, Row]:
    """Combine each number over the runs."""
    return {name: {key: function([run[name][key] for run in runs]) for key in row} for name, row in runs[0].items()}


if __name__ == "__main__":
    main()
