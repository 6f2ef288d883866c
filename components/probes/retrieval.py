"""Retrieval: test images, which no training saw, are the queries, and train images are the gallery, ranked by cosine.

Average precision of a query is the mean, over the gallery images of its class, of the precision at their ranks; mAP is
its mean over queries (Manning et al., Introduction to Information Retrieval, 2008, section 8.4). Recall@k is the share
of queries with an image of their class among the k nearest, as in metric learning (Jegou et al., PAMI 33, 2011, whose
recall it is where one image is right). M images in the gallery, N queries, D features, n queries at a time.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.evaluate.given import Given, select_labelled
from components.evaluate.outcome import Curve, NothingToMeasureError, Outcome
from components.evaluate.params import Evaluate, Retrieval
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import estimate_accuracy, estimate_mean
from components.show.progress import Progress

PORTION = 2**24  # cosines that are held and sorted at once
RANKS = 100  # of the curve of precisions


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder by how well test images find their class."""
    progress = Progress("evaluate retrieval", None, "queries")
    return {
        encoder: retrieve(
            select_labelled(given.table(encoder)), params.retrieval, params.shared.seed, given.device, progress.advance
        )
        for encoder in given.encoders
    }


def retrieve(
    part: LabelledFeatures, params: Retrieval, seed: int, device: torch.device, advance: Callable[[int], None]
) -> Outcome:
    """Judge an encoder by how it ranks the gallery for each query. Queries whose class the gallery lacks are left out.

    Equal cosines are ranked by chance: in the store's order, where a class lies together, an encoder that gives all
    images the same features would look good. `advance` is called with the number of queries done."""
    asked = np.flatnonzero(np.isin(part.truth, part.labels))
    if not len(asked):
        raise NothingToMeasureError("needs test images of a class that train has too")
    shuffled = np.random.default_rng(seed).permutation(len(part.labels))
    gallery, queries = (
        F.normalize(torch.from_numpy(x).to(device).float(), dim=1) for x in (part.train[shuffled], part.test[asked])
    )
    labels, truth = (torch.from_numpy(x).to(device) for x in (part.labels[shuffled], part.truth[asked]))
    precisions, hits, nearest = [], [], []
    for rows in torch.split(torch.arange(len(asked)), max(1, PORTION // len(gallery))):
        order = (queries[rows] @ gallery.T).sort(dim=1, descending=True, stable=True).indices  # (n, M)
        relevant = labels[order] == truth[rows][:, None]  # (n, M)
        precisions.append(compute_average_precision(relevant))
        hits.append(relevant[:, : max(RANKS, *params.recall_at)])
        nearest.append(labels[order[:, 0]])
        advance(len(rows))
    hit = torch.cat(hits)  # (N, ranks)
    average = torch.cat(precisions).cpu().numpy()  # (N,)
    found = {f"recall_at_{k}": hit[:, :k].any(1).cpu().numpy() for k in params.recall_at if k <= len(gallery)}
    reason = f"there are only {len(gallery):,} labelled train images"
    precision = compute_precision_at_ranks(hit)[:RANKS].cpu().numpy()
    return Outcome(
        metrics={"map": estimate_mean(average)} | {name: estimate_accuracy(right) for name, right in found.items()},
        ids=part.ids[asked],
        actual=part.truth[asked],
        predicted=torch.cat(nearest).cpu().numpy(),
        scores={"map": average} | found,
        curves={"precision": Curve("rank", np.arange(1, len(precision) + 1), precision)},
        left_out={f"recall_at_{k}": reason for k in params.recall_at if k > len(gallery)},
    )


def compute_average_precision(relevant: Tensor) -> Tensor:
    """Return each query's average precision, from whether the image at each rank is of its class: (n, M) bool, with at
    least one true value per row -> (n,)."""
    ranks = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    precision = relevant.cumsum(1, dtype=torch.float64) / ranks  # (n, M)
    return (precision * relevant).sum(1) / relevant.sum(1)


def compute_precision_at_ranks(relevant: Tensor) -> Tensor:
    """Return the share of right images among the nearest k, averaged over queries: (N, ranks) bool -> (ranks,)."""
    ranks = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    return (relevant.cumsum(1, dtype=torch.float64) / ranks).mean(0)
