"""The stage classifier: embeddings and encoder.onnx -> models/classifier, its metrics, predictions and plots.

The head is the logistic probe's, on the same draws, so its accuracy on the test split is the probe's. Where there is
nothing to learn (no labels, or of one class only) the folder says why in a line, and so do the metrics.
N test images, K classes.
"""

import components.stage.openmp  # noqa: F401  (before torch)

from pathlib import Path
from typing import Protocol

import numpy as np
from onnx import ModelProto

from components.classifier import results
from components.classifier.files import HEAD, ONNX, SKIPPED
from components.classifier.head import Head, fit_head
from components.classifier.onnx import read_model, write_onnx
from components.classifier.params import Classifier
from components.classifier.saved import Config, save_head
from components.encoder.saved import CONFIG
from components.encoder.saved import ONNX as ENCODER_ONNX
from components.encoder.saved import Config as EncoderConfig
from components.features.embeddings import read_embeddings
from components.features.judging.device import choose_judging_device
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.params import Sweep
from components.features.load import read_config
from components.learning.device import prepare_device
from components.stage.command import main
from components.stage.disk import check_file, check_folder, name_faults
from components.stage.errors import InputError
from components.stage.files import write_json, write_text
from components.store.store import TEST, Store

OFF = "classifier.encoders: [] in params.yaml leaves the stage out"


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
    features: str,
    store: Path,
    encoder: Path,
    embeddings: Path,
    classifier: Path,
    metrics: Path,
    predictions: Path,
    plots: Path,
) -> None:
    """Fit, calibrate, judge and write the classifier on the features of one encoder."""
    for file in (metrics, predictions):
        check_file(file)
    for folder in (classifier, plots):
        check_folder(folder)
    device = choose_judging_device(evaluate.shared.device, "evaluate.shared.device")
    prepare_device(device, evaluate.shared.threads)
    table, names = read_embeddings(embeddings / f"{features}.parquet"), Store(store).class_names
    if (highest := table.labels.max(initial=-1)) >= len(names):
        raise InputError(f"{embeddings}: label {highest} is of no class in {store}; `dvc repro embed` writes them")
    tested = (table.splits == TEST) & (table.labels >= 0)
    part = LabelledFeatures(*table.train, *table.test, table.ids[tested])
    if reason := explain_skip(part):
        write_skipped(classifier, reason)
        results.write_reliability(plots, {}, params.bins)
        results.write_predictions(predictions, features, part, np.empty(0, np.int64))
        print(f"classifier: skipped: {reason}", flush=True)
        write_json(metrics, {features: {"skipped": reason}})
        return
    made = read_config(encoder)
    if made.features != part.train.shape[1] or made.weights is None:
        raise InputError(f"{encoder / CONFIG}: not of the encoder of the embeddings; `dvc repro embed` makes them anew")
    model = read_model(encoder / ENCODER_ONNX, made.features)
    head = fit_head(
        part,
        evaluate.logistic,
        validation_fraction=evaluate.shared.validation_fraction,
        folds=params.folds,
        seed=evaluate.shared.seed,
        device=device,
    )
    write_classifier(classifier, model, made, head, part, names)
    temperatures = {results.CALIBRATED: head.temperature, results.UNCALIBRATED: 1.0}
    answers = {name: results.judge(head.classifier, part, number, device) for name, number in temperatures.items()}
    results.write_reliability(plots, answers, params.bins)
    results.write_predictions(predictions, features, part, answers[results.CALIBRATED].predicted)
    chosen = {"temperature": head.temperature, "c": head.classifier.c}
    measured = results.measure(answers, params.bins, chosen)
    write_json(metrics, {features: measured})  # the last, when all of it is written


def explain_skip(part: LabelledFeatures) -> str:
    """Say why there is nothing to learn; an empty text if there is something."""
    found = len(np.unique(part.labels))
    if found < 2:
        none = "there are no labels" if not len(part.labels) else "all labels are of one class"
        return f"needs train images of two classes or more, and {none}; {OFF}"
    return ""


def write_classifier(
    folder: Path, model: ModelProto, encoder: EncoderConfig, head: Head, part: LabelledFeatures, names: list[str]
) -> None:
    """Write the head, its config and the whole network as ONNX, of which `model` is the encoder."""
    tensors, trained = head.give_tensors(len(names)), set(part.labels.tolist())
    with name_faults(folder):
        (folder / SKIPPED).unlink(missing_ok=True)
    config = Config(
        classes=tuple(names),
        features=encoder.features,
        temperature=head.temperature,
        calibrated_on=head.calibrated_on,
        c=head.classifier.c,
        train_images=len(part.labels),
        untrained=tuple(name for number, name in enumerate(names) if number not in trained),
        images=encoder.images,
        encoder=str(encoder.weights),
    )
    save_head(folder, tensors, config)
    write_onnx(folder / ONNX, model, tensors, config)


def write_skipped(folder: Path, reason: str) -> None:
    """Write why there is no classifier, in place of an older one."""
    for name in (HEAD, CONFIG, ONNX):
        with name_faults(folder):
            (folder / name).unlink(missing_ok=True)
    write_text(folder / SKIPPED, f"{reason}\n")


if __name__ == "__main__":
    main(run)
