"""Places images in a map by t-SNE: images are near each other if the encoder finds them alike.

Rows are scaled to length 1 first, so that near means a high cosine, as in the probes (van der Maaten and Hinton 2008,
JMLR 9, 2579-2605). n images on the map, D features.
"""

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from components.features.cosine import normalise_rows

PERPLEXITY = 30.0  # scikit-learn's default; less for few images
LEAST = 5  # images and features that t-SNE needs


def place_images(features: np.ndarray, seed: int) -> np.ndarray:
    """Place images by t-SNE, or by two principal components if images or features are too few: (n, D) -> (n, 2)."""
    rows = normalise_rows(features.astype(np.float64))
    if min(rows.shape) < LEAST:
        return project_principal(rows)
    if np.ptp(rows, axis=0).max() < 1e-6:  # collapsed
        return np.zeros((len(rows), 2))
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(1):  # the same bits on any number of cores
        places = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(rows)
    return np.asarray(places, dtype=np.float64)


def project_principal(rows: np.ndarray) -> np.ndarray:
    """Project rows onto their first two principal components: (n, D) -> (n, 2)."""
    axes, lengths, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    places = np.zeros((len(rows), 2))
    places[:, : min(2, len(lengths))] = (axes * lengths)[:, :2]
    return places
