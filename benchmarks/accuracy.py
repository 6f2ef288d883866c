"""CIFAR-10 by the preset: how accurate after how many seconds, each seed from nothing to its final epoch.

`python -m benchmarks.accuracy --cifar10 ROOT --seeds 0 1 2` needs PyTorch and torchvision. While it trains, kNN on
held-out *train* images against time; at the end, and only then, the test split: kNN with both habits, a linear layer
and logistic regression whose settings are chosen on held-out train images.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import cifar10
from benchmarks.records import deviation, write_record
from components.evaluate.params import Evaluate
from components.evaluate.probe import Labelled, Probe
from components.evaluate.statistics import hold_out_rows
from components.learning.device import choose_device, prepare
from components.pretrain import loop as train
from components.pretrain.checkpoint import Checkpoint, fingerprint
from components.pretrain.params import Pretrain
from components.pretrain.readings import Sample, embed_images, knn_accuracy
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, one_line_errors, read_params

Images = tuple[Tensor, Tensor]  # (N, 3, S, S) uint8 and (N,)


def main() -> None:
    """Train and judge every seed, write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--images", type=int, help="the first so many train images instead of all")
    parser.add_argument("--scratch", type=Path, help="a folder from which an interrupted measurement goes on")
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
        of_seed = params.model_copy(update={"seed": seed})
        key = fingerprint(of_seed.model_dump_json(), [], len(images), device)
        course = Course(of_seed, (images, labels), device, Checkpoint(asked.scratch, key) if asked.scratch else None)
        course.run()
        scores = judge(course, probes, (images, labels), judged)
        runs[seed] = {**course.cost(), **scores, "course": course.seen}
        print(f"seed {seed}: {numbers(runs[seed])}", flush=True)
    by_number = {key: [numbers(run)[key] for run in runs.values()] for key in numbers(runs[asked.seeds[0]])}
    means = {key: statistics.fmean(values) for key, values in by_number.items()}
    spread = {key: deviation(values) for key, values in by_number.items()}
    record = {"params": params.model_dump(mode="json"), "mean": means, "spread": spread, "runs": runs}
    write_record(f"{asked.name}-{device.type}", record, "torch", "torchvision")


def numbers(run: dict[str, Any]) -> dict[str, float]:
    """What a run ends with, without its course."""
    return {key: value for key, value in run.items() if key != "course"}


class Course:
    """One seed's training, looked at now and then; looking on and saving do not count as its time."""

    def __init__(self, params: Pretrain, trained: Images, device: torch.device, checkpoint: Checkpoint | None) -> None:
        self.params, self.checkpoint = params, checkpoint
        self.sample = draw_sample(params, *trained)
        self.seen: list[dict[str, float]] = []
        self.began = time.perf_counter()
        self.state, self.engine, self.feed = cifar10.start(params, trained[0], device)
        if checkpoint and (remembered := checkpoint.load()):
            train.restore(self.state, remembered["state"])
            self.seen = remembered["seen"]
            self.began -= self.seen[-1]["seconds"]

    def run(self) -> None:
        """To the end."""
        train.train(self.state, self.engine, self.feed, self.params, on_step=lambda _: None, on_epoch=self.on_epoch)

    def on_epoch(self, state: train.State, record: train.EpochRecord) -> None:
        """The loop has just waited for the device, so that the clock tells the truth."""
        if record.epoch % self.params.watch.every_epochs and state.step < state.steps:
            return
        now = time.perf_counter()
        state.objective.eval()
        accuracy = knn_accuracy(state, self.engine, self.sample, self.params)
        state.objective.train()
        seconds = now - self.began
        self.seen.append({"epoch": record.epoch, "seconds": seconds, "loss": record.loss, "held_out_knn": accuracy})
        print(self.seen[-1], flush=True)
        if self.checkpoint:
            self.checkpoint.save({"state": train.remember(state), "seen": self.seen})
        self.began += time.perf_counter() - now

    def cost(self) -> dict[str, float]:
        """Of pretraining, compilation included."""
        seconds = self.seen[-1]["seconds"]
        return {"seconds": seconds, "images_per_second": self.state.steps * self.params.batch_size / seconds}


def draw_sample(params: Pretrain, images: Tensor, labels: Tensor) -> Sample:
    """Held-out queries and a bank, of train images."""
    rows = torch.from_numpy(np.random.default_rng(params.seed).permutation(len(images)))
    queries = rows[: min(params.watch.knn_queries, len(rows) // 2)]
    bank = rows[len(queries) :][: params.watch.knn_bank]
    return Sample(images[:0], images[queries], labels[queries], images[bank], labels[bank])


def judge(course: Course, probes: Evaluate, trained: Images, judged: Images) -> dict[str, float]:
    """Accuracies on the test split."""
    state, engine, params = course.state, course.engine, course.params
    state.objective.eval()
    (images, labels), (tested, truth) = trained, judged
    train_features, test_features = (
        embed_images(state.objective.encoder, part, engine, params).cpu().numpy() for part in (images, tested)
    )
    part = Labelled(train_features, labels.numpy(), test_features, truth.numpy(), np.arange(len(truth)).astype(str))
    held_out = hold_out_rows(part.labels, probes.shared.validation_fraction, np.random.default_rng(params.seed))
    made: dict[str, Probe] = {
        "knn": KnnProbe(part, probes.knn, params.seed, course.engine.device),
        "linear": LinearProbe(part, probes.linear, params.seed, course.engine.device),
        "logistic": LogisticProbe(part, probes.logistic, params.seed, course.engine.device),
    }
    return {
        f"{name}_{metric}": float((predicted == part.truth).mean())
        for name, probe in made.items()
        for metric, predicted in probe.from_all(held_out).predictions.items()
    }


if __name__ == "__main__":
    main()
