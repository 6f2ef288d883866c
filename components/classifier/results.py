"""Judges the classifier on the test images, and writes what is found: metrics, predictions and the reliability.

The predictions have the columns of a probe's (components/evaluate/results.py), so that pipelines/compare pairs two runs
image by image. N test images, K classes.
"""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from components.classifier.calibration import (
    ENDS,
    Answers,
    join_answers,
    judge_probabilities,
    measure_error,
    tabulate_bins,
)
from components.features.judging.classifier import Classifier
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import estimate_accuracy
from components.stage.disk import write_beside
from components.store.sealed import write_sealed

PROBABILITIES = 2**22  # that are held at once
CALIBRATED, UNCALIBRATED = STATES = "", "_uncalibrated"  # how names of metrics and columns end
COLUMNS = {"id": pa.string(), "encoder": pa.string(), "actual": pa.int64(), "predicted": pa.int64()}


def judge(classifier: Classifier, part: LabelledFeatures, temperature: float, device: torch.device) -> Answers:
    """Judge the answers for the test images at a temperature, a portion of the images at a time."""
    parts = [judge_probabilities(np.empty((0, 1)), np.empty(0, np.int64))]
    rows = max(1, PROBABILITIES // part.classes)
    for first in range(0, len(part.truth), rows):
        features = torch.from_numpy(part.test[first : first + rows]).to(device)
        probabilities = torch.softmax(classifier(features) / temperature, dim=1).cpu().numpy()  # (n, K)
        parts.append(judge_probabilities(probabilities, part.truth[first : first + rows]))
    return join_answers(parts)


def measure(answers: dict[str, Answers], bins: int, chosen: dict[str, float]) -> dict[str, float]:
    """Return the metrics; without a labelled test image, only what was chosen."""
    numbers: dict[str, float] = {}
    if len(answers[CALIBRATED].right):
        accuracy = estimate_accuracy(answers[CALIBRATED].right)
        numbers |= zip(ENDS, (accuracy.value, accuracy.low, accuracy.high), strict=True)
        numbers |= {f"ece{state}": measure_error(found, bins) for state, found in answers.items()}
        numbers |= {f"brier{state}": float(found.distance.mean()) for state, found in answers.items()}
    return {name: float(f"{value:.6g}") for name, value in (numbers | chosen).items()}


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


def write_predictions(path: Path, encoder: str, part: LabelledFeatures, predicted: np.ndarray) -> None:
    """Write id, encoder, actual and predicted class of each test image that was answered (N,), and whether that is
    right."""
    answered = len(predicted)
    actual = part.truth[:answered]
    columns = {"id": part.ids[:answered].astype(str), "encoder": [encoder] * answered}
    columns |= {"actual": actual, "predicted": predicted, "accuracy": predicted == actual}
    schema = pa.schema([*COLUMNS.items(), ("accuracy", pa.float32())])
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
    write_sealed(path, pa.table(arrays, schema=schema))
