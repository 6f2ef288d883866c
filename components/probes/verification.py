"""Verification: whether two images show the same class, decided by the cosine of their features and a threshold.

LFW's protocol (Huang et al., UMass Amherst TR 07-49, 2007): the threshold is chosen on all folds but one and judged on
that fold; reported are mean and standard error over folds. Also reported are the share of same-class pairs accepted
where at most a stated share of the other pairs is (TAR at FAR), if there are enough other pairs for such a share, and
the area under the ROC; neither has an interval.

The images of drawn pairs are those of the test split, which pretraining does not see. A file of pairs may name images
of any split: `pairs_seen` of the `pairs` have an image that pretraining learns from, without its label.
P pairs, N images, D features.
"""

import math

import numpy as np
from scipy import stats

from components.evaluate.given import Given, find_labelled_rows
from components.evaluate.outcome import Curve, NothingToMeasureError, Outcome
from components.evaluate.pairs import Pairs, read_pairs
from components.evaluate.params import Evaluate, Verification
from components.features.embeddings import Embeddings
from components.features.judging.statistics import CONFIDENCE, Estimate, estimate_accuracy, group_by_class
from components.store.store import TEST

RATES = np.geomspace(1e-3, 1, 61)  # false-accept rates of the curve, at most
ROUNDS = 20  # of drawing, until there are enough pairs that were not drawn before


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder on the same pairs: those of the file that params.yaml names, or of the test labels."""
    outcomes: dict[str, Outcome] = {}
    pairs: Pairs | None = None
    for encoder in given.encoders:
        table = given.table(encoder)
        pairs = pairs or choose_pairs(params, table)
        outcomes[encoder] = verify(table, pairs, params.verification)
    return outcomes


def choose_pairs(params: Evaluate, table: Embeddings) -> Pairs:
    """Read the pairs of the file that params.yaml names, or draw some from the labels of the test images."""
    if params.verification.pairs is not None:
        return read_pairs(params.verification.pairs, table.ids)
    rows = find_labelled_rows(table, TEST)
    pairs = draw_pairs(rows, table.labels[rows], params.verification, params.shared.seed)
    asked = params.verification.folds * params.verification.pairs_per_fold
    if len(pairs.same) < asked:
        print(
            f"evaluate verification: {len(pairs.same):,} pairs, not {asked:,}: the test labels give no more", flush=True
        )
    return pairs


def verify(table: Embeddings, pairs: Pairs, params: Verification) -> Outcome:
    """Judge an encoder on the pairs by its features."""
    from sklearn.metrics import roc_auc_score, roc_curve  # takes a second, which a run without pairs does not need

    cosine = compute_cosines(table.features[pairs.first], table.features[pairs.second])
    accepted = np.empty(len(cosine), dtype=bool)
    for fold in np.unique(pairs.fold):
        held = pairs.fold == fold
        accepted[held] = cosine[held] >= choose_threshold(cosine[~held], pairs.same[~held])
    right = accepted == pairs.same
    by_fold = np.array([right[pairs.fold == fold].mean() for fold in np.unique(pairs.fold)])
    false_rate, true_rate, _ = roc_curve(pairs.same, cosine, drop_intermediate=False)
    others = int((~pairs.same).sum())  # no rate below one of them can be told from none
    rates = RATES[1 / others <= RATES]
    rate, at_rate = params.false_accept_rate, f"true_accept_rate_at_{params.false_accept_rate:g}"
    measured = {at_rate: float(true_rate[false_rate <= rate].max())} if rate >= 1 / others else {}
    images = len(np.unique(np.concatenate([pairs.first, pairs.second])))
    seen = (table.splits != TEST)[np.stack([pairs.first, pairs.second])].any(0)  # (P,)
    return Outcome(
        metrics={
            "accuracy": estimate_over_folds(by_fold, images),
            "accuracy_standard_error": float(stats.sem(by_fold)),
            **measured,
            "roc_auc": float(roc_auc_score(pairs.same, cosine)),
            "pairs": float(len(cosine)),
            "pairs_seen": float(seen.sum()),
        },
        ids=np.array([f"{a} {b}" for a, b in zip(table.ids[pairs.first], table.ids[pairs.second], strict=True)]),
        actual=pairs.same.astype(np.int64),
        predicted=accepted.astype(np.int64),
        scores={"accuracy": right},
        curves={"roc": Curve("false_accept_rate", rates, true_rate[np.searchsorted(false_rate, rates, "right") - 1])},
        left_out={} if measured else {at_rate: f"one of only {others:,} pairs of two classes is a larger share"},
    )


def estimate_over_folds(by_fold: np.ndarray, images: int) -> Estimate:
    """Return the mean over folds with Student's t interval; if all folds agree, which leaves no variance, with Wilson's
    interval for as many answers as there are images."""
    value = float(by_fold.mean())
    if by_fold.min() == by_fold.max():
        return estimate_accuracy(np.arange(images) < round(value * images))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(by_fold) - 1) * stats.sem(by_fold))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def compute_cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosines of the rows of two arrays, 0 for a row of zeros: (P, D), (P, D) -> (P,) float64."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine: np.ndarray = (a * b).sum(1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    return cosine


def choose_threshold(cosine: np.ndarray, same: np.ndarray) -> float:
    """Return the threshold with most right answers when pairs at or above it are accepted: (P,), (P,) bool. It lies
    midway between two cosines."""
    order = np.argsort(-cosine, kind="stable")
    ordered = cosine[order]
    # Accept the first n pairs, n = 0..P: same-class pairs among them and different pairs after them are right.
    right = np.concatenate([[0], np.cumsum(np.where(same[order], 1, -1))])
    tied = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])  # no threshold separates equal cosines
    count = int(np.argmax(np.where(tied, -math.inf, right)))
    if count == 0:
        return math.inf
    return float(ordered[count - 1] if count == len(ordered) else (ordered[count - 1] + ordered[count]) / 2)


def draw_pairs(rows: np.ndarray, labels: np.ndarray, params: Verification, seed: int) -> Pairs:
    """Draw pairs of labelled images, which are dealt out among the folds so that no image is in two of them. Each fold
    gets as many pairs of the same class as of different classes, no pair twice, and fewer than params.yaml asks for if
    the images do not give as many. `rows` (n,) are the row numbers of the images, `labels` (n,) their classes."""
    generator = np.random.default_rng(seed)
    drawn = []  # (same, different) of each fold
    for members in np.array_split(generator.permutation(len(labels)), params.folds):
        both = [
            members[draw_unique(labels[members], params.pairs_per_fold // 2, generator, same=same)]
            for same in (True, False)
        ]
        drawn.append(both)
    each = min(len(pairs) for both in drawn for pairs in both)
    if each == 0:
        raise NothingToMeasureError(
            f"needs labelled test images of two classes, enough for pairs of both kinds in each of {params.folds} folds"
        )
    pairs = rows[np.concatenate([kind[:each] for both in drawn for kind in both])]  # (P, 2)
    same = np.tile(np.repeat([True, False], each), params.folds)
    return Pairs(pairs[:, 0], pairs[:, 1], same, np.repeat(np.arange(params.folds), 2 * each))


def draw_unique(labels: np.ndarray, wanted: int, generator: np.random.Generator, *, same: bool) -> np.ndarray:
    """Draw at most `wanted` pairs of places in `labels`, the smaller place first, no pair twice: (n, 2)."""
    members = group_by_class(labels)
    names, sizes = list(members), np.array([len(rows) for rows in members.values()])
    chances = sizes * (sizes - 1) / max(1, (sizes * (sizes - 1)).sum())
    pairs: dict[tuple[int, int], None] = {}
    if len(labels) < 2 or (same and not chances.any()):
        return np.empty((0, 2), dtype=np.int64)
    for _ in range(ROUNDS):
        if same:
            classes = generator.choice(names, wanted, p=chances)
            drawn = [generator.choice(members[name], 2, replace=False) for name in classes]
        else:
            drawn = list(generator.integers(len(labels), size=(wanted, 2)))
        for a, b in drawn:
            if (labels[a] == labels[b]) == same and a != b:
                pairs[min(int(a), int(b)), max(int(a), int(b))] = None
        if len(pairs) >= wanted:
            break
    return np.array(list(pairs)[:wanted], dtype=np.int64).reshape(-1, 2)
