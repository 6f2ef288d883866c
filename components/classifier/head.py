"""Fits the head of the classifier as the logistic probe does, and calibrates its temperature.

The head is that of the probe: C is chosen on the same held-out train images, then all train labels are fitted. The
temperature is fitted to the logits that each train image gets from a head, with that C, fitted on the other folds:
every label serves, which matters where there are few. M train images, D features, K classes.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.classifier.temperature import fit_temperature
from components.features.judging.classifier import NEVER, Classifier, fit_classifier, refit_classifier
from components.features.judging.labelled import LabelledFeatures, complement
from components.features.judging.params import Sweep
from components.features.judging.statistics import group_by_class, hold_out_rows

LOGITS = 2**25  # of held-out images, at most: one number is fitted to them


@dataclass(frozen=True)
class Head:
    """A head: features (B, D) -> logits (B, K), divided by the temperature before they become probabilities."""

    classifier: Classifier
    centre: Tensor  # (D,) float64: the train images' mean
    temperature: float
    calibrated_on: int  # train images

    def give_tensors(self, classes: int) -> dict[str, Tensor]:
        """Give the head for so many classes in single precision: those beyond the labels are never predicted. Features
        are centred first, since a large mean would hide what is small."""
        bias, more = self.classifier(self.centre[None])[0], (0, classes - len(self.classifier.bias))
        whole = {
            "centre": self.centre,  # (D,)
            "weights": F.pad(self.classifier.weights, more),  # (D, K)
            "bias": F.pad(bias, more, value=NEVER),  # (K,)
        }
        return {name: tensor.float().cpu() for name, tensor in whole.items()}


def fit_head(
    part: LabelledFeatures, sweep: Sweep, *, validation_fraction: float, folds: int, seed: int, device: torch.device
) -> Head:
    """Fit the head to all train labels, and its temperature to held-out ones."""
    generator = np.random.default_rng(seed)
    validation = hold_out_rows(part.labels, validation_fraction, generator)  # the logistic probe's first draw
    classifier = fit_classifier(part, sweep, validation, device)
    logits, labels = compute_held_out(part, sweep, classifier.c, assign_folds(part.labels, folds, generator), device)
    centre = torch.from_numpy(part.train.mean(0, dtype=np.float64)).to(device)
    return Head(classifier, centre, fit_temperature(logits, labels), len(labels))


def assign_folds(labels: np.ndarray, folds: int, generator: np.random.Generator) -> np.ndarray:
    """Assign each image to a fold at random, each fold with its share of every class: (M,) -> (M,) of 0..folds - 1."""
    order = np.concatenate([generator.permutation(rows) for rows in group_by_class(labels).values()])
    assigned = np.empty(len(labels), np.int64)
    assigned[order] = np.arange(len(order)) % folds
    return assigned


def compute_held_out(
    part: LabelledFeatures, sweep: Sweep, c: float, assigned: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the logits of train images by heads fitted on the other folds, with their labels: (n, K), (n,).

    Left out are images of a class that no other fold has, and, where they and the classes are very many, all but as
    many as one number needs."""
    logits, labels = [np.empty((0, part.classes))], [np.empty(0, np.int64)]
    for fold in np.unique(assigned):
        held = np.flatnonzero(assigned == fold)
        fitting = complement(held, len(assigned))
        if len(np.unique(part.labels[fitting])) < 2:
            continue
        held = held[np.isin(part.labels[held], part.labels[fitting])]
        held = held[:: 1 + len(assigned) * part.classes // LOGITS]
        others = replace(part, train=part.train[fitting], labels=part.labels[fitting])
        known, classify = np.unique(others.labels), refit_classifier(others, sweep, c, device)
        found = np.full((len(held), part.classes), -np.inf)
        found[:, known] = classify(torch.from_numpy(part.train[held]).to(device)).cpu().numpy()[:, known]
        logits.append(found)
        labels.append(part.labels[held])
    return np.concatenate(logits), np.concatenate(labels)
