"""TypiClust (Hacohen, Dekel & Weinshall, Active learning on a budget, arXiv 2202.02794, section 3).

K-means makes as many clusters as images are labelled and to be chosen, but at most 500. Clusters without a label come
first, the larger before the smaller; of each the most typical image is taken, the one whose 20 nearest neighbours in
its cluster are closest; then of each the next. Clusters of fewer than 5 images, which the authors' code leaves out,
wait until nothing else is left.
N images to choose from, M labelled ones, K clusters, D features.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import torch

from components.select.cosines import measure_typicality
from components.select.params import Select, Typiclust
from components.select.pool import Pool

ROUND = 10_000  # images of a mini-batch


def rank(pool: Pool, params: Select, device: torch.device) -> Iterator[tuple[int, float]]:
    """Yield each image's row and its typicality, a cluster at a time, round by round."""
    clusters = min(len(pool.labelled) + params.budget, params.typiclust.max_clusters, len(pool.joined))
    assigned = find_clusters(pool.joined.numpy(), clusters, params)  # (M + N,)
    known, free = np.split(assigned, [len(pool.labelled)])
    generator, settings = np.random.default_rng(params.seed), params.typiclust
    for clusters_alike in order_clusters(known, free, settings.min_images):
        members = (np.flatnonzero(free == cluster) for cluster in clusters_alike)
        waiting = [list_typical(pool, rows, settings, generator, device) for rows in members]
        while waiting:
            going = []
            for typical in waiting:
                if (image := next(typical, None)) is not None:
                    yield image
                    going.append(typical)
            waiting = going


def find_clusters(features: np.ndarray, clusters: int, params: Select) -> np.ndarray:
    """Assign each image to a cluster by k-means: (M + N, D) -> (M + N,). Beyond a number of images in mini-batches."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # takes a second, which other strategies do not need

    if len(features) > params.typiclust.exact_images:
        batch = max(ROUND, 10 * clusters)
        kmeans = MiniBatchKMeans(clusters, batch_size=batch, n_init=1, random_state=params.seed)
    else:
        kmeans = KMeans(clusters, n_init=1, random_state=params.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are fewer different images than clusters does no harm
        return np.asarray(kmeans.fit_predict(features))


def order_clusters(known: np.ndarray, free: np.ndarray, fewest: int) -> tuple[list[int], list[int]]:
    """Order the large and the small clusters, those with the fewest labelled images first, and of these the larger."""
    count = int(max(known.max(initial=-1), free.max(initial=-1))) + 1
    labelled, left = np.bincount(known, minlength=count), np.bincount(free, minlength=count)
    sizes = labelled + left
    order = np.lexsort((-sizes, labelled))
    large, small = (order[kind[order] & (left[order] > 0)].tolist() for kind in (sizes >= fewest, sizes < fewest))
    return large, small


def list_typical(
    pool: Pool, rows: np.ndarray, settings: Typiclust, generator: np.random.Generator, device: torch.device
) -> Iterator[tuple[int, float]]:
    """Yield the rows of a cluster (n,) and their typicality, the most typical first."""
    if len(rows) > settings.cluster_images:
        rows = np.sort(generator.choice(rows, settings.cluster_images, replace=False))
    neighbours = min(settings.neighbours, max(1, len(rows) // 2))  # half of a small cluster, as the authors' code does
    typicality = measure_typicality(pool.features[torch.from_numpy(rows)], neighbours, device)
    for place in torch.argsort(-typicality, stable=True).numpy():
        yield int(rows[place]), float(typicality[place])
