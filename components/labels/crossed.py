"""Judges every label by a classifier that has not seen it: k-fold logistic regression on frozen features.

The labelled train images are cut into folds, class by class; each fold is judged by a classifier of the others.
Labelled test images are judged by a classifier of all folds: no test label ever teaches, so that train labels which
are put right by these suspicions know nothing of the test split. A class is judged if it has a train image in every
fold. Probabilities of all classes are held for a block of images at a time.

N images, n judged ones, M of them train images, B a block, D features, K judged classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from components.features.embeddings import Embeddings
from components.features.judging.classifier import Classifier, append_units, read_layer
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.regression import Regression
from components.features.judging.statistics import Estimate, estimate_accuracy, group_by_class
from components.labels.confident import ROUNDING, compute_thresholds, contradict, find_suspects
from components.labels.params import Labels
from components.show.progress import Progress
from components.store.store import TEST, TRAIN

BLOCK = 2**22  # probabilities that are held at a time


class NothingToJudgeError(Exception):
    """Says why no label can be judged."""


@dataclass(frozen=True)
class Suspicions:
    """The labels that are likely wrong, the likeliest first, and what can be said of all."""

    rows: np.ndarray  # (S,) of the N images
    suggested: np.ndarray  # (S,) int64, the likeliest class
    probability: np.ndarray  # (S,) of that class
    confidence: np.ndarray  # (S,) of the label that was given
    judged: int
    not_judged: int  # labelled images of classes that are too small
    accuracy: Estimate  # of the classifiers on the train images that they have not seen


@dataclass(frozen=True)
class Judged:
    """The labelled images whose class has enough train images."""

    rows: np.ndarray  # (n,) of the N images, the M train images first
    labels: np.ndarray  # (n,) of 0..K - 1
    folds: np.ndarray  # (n,) of 0..folds - 1; `folds` is the test split, which no classifier learns from
    names: np.ndarray  # (K,) the numbers of the classes in the store


def judge_labels(table: Embeddings, params: Labels, device: torch.device) -> Suspicions:
    """Find the suspicious labels. Raises NothingToJudgeError."""
    rng = np.random.default_rng(params.seed)
    judged = select_judged(table, params.folds, rng)
    layers = fit_layers(table.features, judged, params, rng, device)
    count, classes = len(judged.rows), len(judged.names)
    confidence, likeliest, highest = np.empty(count), np.empty(count, np.int64), np.empty(count)
    for block, probabilities in read_blocks(table.features, judged, layers):
        confidence[block] = np.take_along_axis(probabilities, judged.labels[block, None], 1)[:, 0]
        likeliest[block], highest[block] = probabilities.argmax(1), probabilities.max(1)
    train = judged.folds < params.folds
    accuracy = estimate_accuracy((likeliest == judged.labels)[train])
    check_better_than_chance(accuracy, judged.labels[train])
    thresholds = compute_thresholds(confidence[train], judged.labels[train], classes)  # test labels may be cleaner
    contradicted = np.full(count, False)
    for block, probabilities in read_blocks(table.features, judged, layers):
        contradicted[block] = contradict(probabilities, judged.labels[block], thresholds)
    agrees = confidence >= highest - ROUNDING
    parts = [np.flatnonzero(part) for part in (train, ~train)]
    found = np.concatenate([rows[find_suspects(confidence[rows], agrees[rows], contradicted[rows])] for rows in parts])
    found = found[np.argsort(confidence[found], kind="stable")]
    return Suspicions(
        judged.rows[found],
        judged.names[likeliest[found]],
        highest[found],
        confidence[found],
        count,
        int((table.labels >= 0).sum()) - count,
        accuracy,
    )


def select_judged(table: Embeddings, folds: int, rng: np.random.Generator) -> Judged:
    """Select the images that can be judged, and deal the train images of each class out to the folds."""
    labelled = table.labels >= 0
    if not labelled.any():
        raise NothingToJudgeError("no image has a label")
    train = np.flatnonzero(labelled & (table.splits == TRAIN))
    members = {name: rows for name, rows in group_by_class(table.labels[train]).items() if len(rows) >= folds}
    if len(members) < 2:
        many = f"{len(members) or 'no'} class{'' if len(members) == 1 else 'es'} of"
        raise NothingToJudgeError(
            f"{many} {folds} or more labelled train images, and two classes are needed (labels.folds)"
        )
    names = np.array(sorted(members), np.int64)
    dealt = np.full(len(table.labels), folds)
    for rows in members.values():
        dealt[train[rng.permutation(rows)]] = (rng.integers(folds) + np.arange(len(rows))) % folds
    rows = np.flatnonzero(np.isin(table.labels, names) & np.isin(table.splits, (TRAIN, TEST)))
    rows = rows[np.argsort(dealt[rows], kind="stable")]
    return Judged(rows, np.searchsorted(names, table.labels[rows]), dealt[rows], names)


def fit_layers(
    features: np.ndarray, judged: Judged, params: Labels, rng: np.random.Generator, device: torch.device
) -> list[Classifier]:
    """Fit a classifier per fold, and one of all folds if there are test images; C is chosen on the first fold."""
    models = params.folds + bool((judged.folds == params.folds).any())
    progress = Progress("labels", models, "classifiers")
    layers: list[Classifier] = []
    for fold in range(models):
        learned = draw_rows(judged, params, fold, rng)
        rows, labels = judged.rows[learned], judged.labels[learned]
        part = LabelledFeatures(features[rows], labels, features[:0], judged.labels, judged.names[:0])
        regression = Regression(append_units(part), params.classifier, device)
        if layers:
            c = layers[0].c
            weights = regression.fit(regression.train, regression.labels, torch.tensor([c], dtype=torch.float64))
            layers.append(read_layer(regression, weights[0], len(judged.names), c))
        else:
            layers.append(choose_layer(regression, features, judged, params))
        progress.advance(1)
    return layers


def draw_rows(judged: Judged, params: Labels, fold: int, rng: np.random.Generator) -> np.ndarray:
    """Draw which judged train images a fold's classifier learns from: at most `labels.images`, of every class one."""
    others = np.flatnonzero((judged.folds != fold) & (judged.folds < params.folds))
    if len(others) <= params.images:
        return others
    mixed = rng.permutation(others)
    firsts = np.unique(judged.labels[mixed], return_index=True)[1]
    left = max(0, params.images - len(firsts))
    return np.sort(np.concatenate([mixed[firsts], np.delete(mixed, firsts)[:left]]))


def choose_layer(regression: Regression, features: np.ndarray, judged: Judged, params: Labels) -> Classifier:
    """Choose the C with the lowest cross-entropy on the first fold, which this regression has not seen.

    Accuracy would not do: confident learning needs probabilities that mean what they say."""
    sweep = params.classifier
    values = torch.from_numpy(np.geomspace(sweep.c_low, sweep.c_high, sweep.c_count))
    weights = regression.sweep(regression.train.float(), regression.labels, values)
    held = np.flatnonzero(judged.folds == 0)[: params.images]
    inputs = torch.from_numpy(features[judged.rows[held]]).to(regression.train.device)
    truth = torch.from_numpy(judged.labels[held]).to(inputs.device)
    layers = [
        read_layer(regression, matrix, len(judged.names), float(value))
        for value, matrix in zip(values, weights, strict=True)
    ]
    losses = [float(F.cross_entropy(layer(inputs), truth)) for layer in layers]
    return layers[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]


def read_blocks(
    features: np.ndarray, judged: Judged, layers: list[Classifier]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places among the judged images and their probabilities by their fold's classifier: (B,), (B, K)."""
    size = max(1, BLOCK // max(len(judged.names), features.shape[1]))
    for fold, layer in enumerate(layers):
        places = np.flatnonzero(judged.folds == fold)
        for block in np.split(places, np.arange(size, len(places), size)):
            inputs = torch.from_numpy(features[judged.rows[block]]).to(layer.weights.device)
            yield block, torch.softmax(layer(inputs), 1).cpu().numpy()


def check_better_than_chance(accuracy: Estimate, labels: np.ndarray) -> None:
    """Check that the classifiers are worth listening to. Raises NothingToJudgeError."""
    commonest = float(np.bincount(labels).max() / len(labels))
    if accuracy.low <= commonest:
        raise NothingToJudgeError(
            f"the classifier gets {accuracy.value:.1%} of the labels right that it has not seen, no better than always "
            f"saying the commonest class, {commonest:.1%}: these features do not tell the classes apart"
        )
