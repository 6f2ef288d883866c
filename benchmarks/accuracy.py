"""Measures how accurate the CIFAR-10 preset is after how many seconds; each seed trains from scratch to its last epoch.

`python -m benchmarks.accuracy --cifar10 ROOT --seeds 0 1 2` needs PyTorch and torchvision. During training it records
against time the accuracy of kNN on *train* images that are neither trained on nor in its bank. Only at the end does it
use the test split, for kNN with both habits, a linear layer and logistic regression, whose settings are chosen on
held-out train images.
"""

import argparse
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import cifar10
from benchmarks.course import Course, Images
from benchmarks.records import deviation, write_record
from components.evaluate.params import Evaluate
from components.evaluate.probe import Probe
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import hold_out_rows
from components.learning.device import choose_device, prepare_device
from components.pretrain.checkpoint import Checkpoint, fingerprint
from components.pretrain.readings import embed_images
from components.pretrain.way import prepare_libraries
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage.command import PARAMS_FILE, exit_on_error, read_params


def main() -> None:
    """Train and judge every seed, then write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help=cifar10.ROOT_HELP)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--images", type=int, help="the first so many train images instead of all")
    parser.add_argument("--scratch", type=Path, help="a folder from which an interrupted measurement goes on")
    parser.add_argument("--name", default="accuracy", help="the name of the record")
    asked = parser.parse_args()
    with exit_on_error("accuracy"):
        params = cifar10.read_settings(asked.preset, epochs=asked.epochs)
        device = choose_device(asked.device, "--device")
        prepare_libraries(params, device, (asked.scratch or Path("scratch")) / "compiler")
        prepare_device(device, params.threads, deterministic=params.deterministic)
        images, labels = (part[: asked.images] for part in cifar10.read_cifar10(asked.cifar10, test=False))
        test_part = cifar10.read_cifar10(asked.cifar10, test=True)
        evaluate: Evaluate = read_params(PARAMS_FILE).evaluate
    runs = {}
    for seed in asked.seeds:
        torch.compiler.reset()  # or the compiler's limit of recompilations makes later seeds run uncompiled, in silence
        seed_params = params.model_copy(update={"seed": seed})
        key = fingerprint(seed_params.model_dump_json(), [], len(images), device)
        checkpoint = Checkpoint(asked.scratch, key) if asked.scratch else None
        course = Course(seed_params, (images, labels), device, checkpoint, on_reading=partial(print, flush=True))
        course.run()
        scores = judge_on_test(course, evaluate, (images, labels), test_part)
        runs[seed] = {**course.measure_cost(), **scores, "course": course.seen}
        print(f"seed {seed}: {drop_course(runs[seed])}", flush=True)
    values_by_name = {
        key: [drop_course(run)[key] for run in runs.values()] for key in drop_course(runs[asked.seeds[0]])
    }
    means = {key: statistics.fmean(values) for key, values in values_by_name.items()}
    spread = {key: deviation(values) for key, values in values_by_name.items()}
    record = {"params": params.model_dump(mode="json"), "mean": means, "spread": spread, "runs": runs}
    write_record(f"{asked.name}-{device.type}", record, "torch", "torchvision")


def drop_course(run: dict[str, Any]) -> dict[str, float]:
    """Return the final numbers of a run, without its course."""
    return {key: value for key, value in run.items() if key != "course"}


def judge_on_test(course: Course, evaluate: Evaluate, trained: Images, test_part: Images) -> dict[str, float]:
    """Return the accuracies of the probes on the test split."""
    state, engine, params = course.state, course.engine, course.params
    state.objective.eval()
    (images, labels), (test_images, truth) = trained, test_part
    train_features, test_features = (
        embed_images(state.objective.encoder, part, engine, params).cpu().numpy() for part in (images, test_images)
    )
    ids = np.arange(len(truth)).astype(str)
    part = LabelledFeatures(train_features, labels.numpy(), test_features, truth.numpy(), ids)
    held_out = hold_out_rows(part.labels, evaluate.shared.validation_fraction, np.random.default_rng(params.seed))
    probes: dict[str, Probe] = {
        "knn": KnnProbe(part, evaluate.knn, params.seed, course.engine.device),
        "linear": LinearProbe(part, evaluate.linear, params.seed, course.engine.device),
        "logistic": LogisticProbe(part, evaluate.logistic, params.seed, course.engine.device),
    }
    return {
        f"{name}_{metric}": float((predicted == part.truth).mean())
        for name, probe in probes.items()
        for metric, predicted in probe.from_all(held_out).predictions.items()
    }


if __name__ == "__main__":
    main()
