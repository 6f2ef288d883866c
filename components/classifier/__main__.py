"""The stage classifier: embeddings and encoder.onnx -> models/classifier, metrics/classifier.json, plots/classifier.

The head is the logistic probe's, on the same draws, so its accuracy on the test split is the probe's. Where there is
nothing to learn (no labels, or of one class only) the folder says why in a line, and so do the metrics.
N test images, K classes.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import csv
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from components.classifier.calibration import (
    ENDS,
    Answers,
    join_answers,
    judge_probabilities,
    measure_error,
    tabulate_bins,
)
from components.classifier.files import HEAD, ONNX, SKIPPED
from components.classifier.head import Head, fit_head
from components.classifier.onnx import write_onnx
from components.classifier.params import Classifier
from components.classifier.saved import Config, save_head
from components.encoder.saved import CONFIG
from components.encoder.saved import ONNX as ENCODER_ONNX
from components.features.embeddings import read_embeddings
from components.features.judging.device import choose_judging_device
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.judging.statistics import estimate_accuracy
from components.features.load import read_config
from components.learning.device import prepare_device
from components.stage.command import main
from components.stage.disk import check_file, check_folder, name_faults, write_beside
from components.stage.errors import InputError
from components.stage.files import write_json, write_text
from components.store.store import Store

PROBABILITIES = 2**22  # that are held at once
OFF = "classifier.encoders: [] in params.yaml leaves the stage out"
CALIBRATED, UNCALIBRATED = STATES = "", "_uncalibrated"  # how names of metrics and columns end


class Shared(Protocol):
    """What the stage uses of `evaluate.shared`; the section's own types belong to another stage."""

    seed: int
    device: str
    threads: int
    validation_fraction: float


class EvaluateSection(Protocol):
    """What the stage uses of the section `evaluate`: how the logistic probe is fitted."""

    shared: Shared
    logistic: Sweep


def run(
    params: Classifier,
    evaluate: EvaluateSection,
    *,
    of: str,
    store: Path,
    encoder: Path,
    embeddings: Path,
    classifier: Path,
    metrics: Path,
    plots: Path,
) -> None:
    """Fit, calibrate, judge and write the classifier on the features of the encoder `of`."""
    check_file(metrics)
    for folder in (classifier, plots):
        check_folder(folder)
    device = choose_judging_device(evaluate.shared.device, "evaluate.shared.device")
    prepare_device(device, evaluate.shared.threads)
    table, names = read_embeddings(embeddings / f"{of}.parquet"), Store(store).class_names
    if (highest := table.labels.max(initial=-1)) >= len(names):
        raise InputError(f"{embeddings}: label {highest} is of no class in {store}; `dvc repro embed` writes them")
    part = LabelledFeatures(*table.train, *table.test, ids=np.empty(0, str))
    if reason := explain_skip(part):
        write_skipped(classifier, reason)
        write_reliability(plots, {}, params.bins)
        print(f"classifier: skipped: {reason}", flush=True)
        write_json(metrics, {of: {"skipped": reason}})
        return
    head = fit_head(
        part,
        evaluate.logistic,
        validation_fraction=evaluate.shared.validation_fraction,
        folds=params.folds,
        seed=evaluate.shared.seed,
        device=device,
    )
    write_classifier(classifier, encoder, head, part, names)
    answers = {state: judge(head, part, head.temperature if state == CALIBRATED else 1.0, device) for state in STATES}
    write_reliability(plots, answers, params.bins)
    write_json(metrics, {of: measure(head, answers, params.bins)})  # the last, when all that it stands for is written


def explain_skip(part: LabelledFeatures) -> str:
    """Say why there is nothing to learn; an empty text if there is something."""
    found = len(np.unique(part.labels))
    if found < 2:
        none = "there are no labels" if not len(part.labels) else "all labels are of one class"
        return f"needs train images of two classes or more, and {none}; {OFF}"
    return ""


def write_classifier(folder: Path, encoder: Path, head: Head, part: LabelledFeatures, names: list[str]) -> None:
    """Write the head, its config and the whole network as ONNX. Raises InputError if the encoder is another one."""
    made = read_config(encoder)
    if made.features != part.train.shape[1] or made.weights is None:
        raise InputError(f"{encoder / CONFIG}: not of the encoder of the embeddings; `dvc repro embed` makes them anew")
    tensors, trained = head.give_tensors(len(names)), set(part.labels.tolist())
    with name_faults(folder):
        (folder / SKIPPED).unlink(missing_ok=True)
    config = Config(
        classes=tuple(names),
        features=made.features,
        temperature=head.temperature,
        calibrated_on=head.calibrated_on,
        c=head.classifier.c,
        train_images=len(part.labels),
        untrained=tuple(name for number, name in enumerate(names) if number not in trained),
        images=made.images,
        encoder=made.weights,
    )
    save_head(folder, tensors, config)
    write_onnx(folder / ONNX, encoder / ENCODER_ONNX, tensors, config)


def write_skipped(folder: Path, reason: str) -> None:
    """Write why there is no classifier, in place of an older one."""
    for name in (HEAD, CONFIG, ONNX):
        with name_faults(folder):
            (folder / name).unlink(missing_ok=True)
    write_text(folder / SKIPPED, f"{reason}\n")


def judge(head: Head, part: LabelledFeatures, temperature: float, device: torch.device) -> Answers:
    """Judge the head's answers for the test images at a temperature, a portion of the images at a time."""
    parts = [judge_probabilities(np.empty((0, 1)), np.empty(0, np.int64))]
    rows = max(1, PROBABILITIES // part.classes)
    for first in range(0, len(part.truth), rows):
        features = torch.from_numpy(part.test[first : first + rows]).to(device)
        probabilities = torch.softmax(head.classifier(features) / temperature, dim=1).cpu().numpy()  # (n, K)
        parts.append(judge_probabilities(probabilities, part.truth[first : first + rows]))
    return join_answers(parts)


def measure(head: Head, answers: dict[str, Answers], bins: int) -> dict[str, float]:
    """Return the metrics; without a labelled test image, only what was chosen."""
    numbers: dict[str, float] = {}
    if len(answers[CALIBRATED].right):
        accuracy = estimate_accuracy(answers[CALIBRATED].right)
        numbers |= zip(ENDS, (accuracy.value, accuracy.low, accuracy.high), strict=True)
        numbers |= {f"ece{state}": measure_error(found, bins) for state, found in answers.items()}
        numbers |= {f"brier{state}": float(found.distance.mean()) for state, found in answers.items()}
    numbers |= {"temperature": head.temperature, "c": head.classifier.c}
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}


def write_reliability(folder: Path, answers: dict[str, Answers], bins: int) -> None:
    """Write reliability.csv, a row per bin of confidence; no row without a labelled test image."""
    known = {state: found for state, found in answers.items() if len(found.right)}
    tables = {state: tabulate_bins(found, bins) for state, found in known.items()}
    header = ["from", "to", *(f"{name}{state}" for state in STATES for name in ("images", "confidence", *ENDS))]
    with write_beside(folder / "reliability.csv") as new, new.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(bins if tables else 0):
            cells = [cell for rows in tables.values() for cell in rows[number].values()]
            ends = [number / bins, (number + 1) / bins]
            writer.writerow([round(cell, 6) if isinstance(cell, float) else cell for cell in [*ends, *cells]])


if __name__ == "__main__":
    main(run)
