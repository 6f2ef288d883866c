"""Makes vectors that resemble an encoder's features: clusters of many sizes on a curved surface of few dimensions.

A latent point of 32 dimensions, whose variances fall like 1 / n, lies around one of 2,000 centres, the n-th of which is
drawn with a weight of 1 / sqrt(n). Two random layers with a ReLU each make the features of it, as the last layer of a
ResNet does, none of them negative; a little noise is added, and the length is 1. With 256 features the intrinsic
dimension (TwoNN, Facco et al. 2017, Scientific Reports 7, 12140) is 9; that of the demo's features is 7 to 10.
N vectors, D features, n of a block.
"""

import numpy as np

LATENT, CLUSTERS, HIDDEN, BLOCK = 32, 2000, 512, 20_000
SPREAD, NOISE = 0.5, 0.02  # of a cluster beside that of the centres; of the noise beside the features


def make_vectors(count: int, width: int, seed: int) -> np.ndarray:
    """Make vectors of length 1: (N, D) float32. All seeds share the centres and the layers."""
    shared, rng = np.random.default_rng(0), np.random.default_rng(seed)
    scale = (np.arange(1, LATENT + 1) ** -0.5).astype(np.float32)
    centres = shared.standard_normal((CLUSTERS, LATENT), dtype=np.float32) * scale
    first = shared.standard_normal((LATENT, HIDDEN), dtype=np.float32)
    second = shared.standard_normal((HIDDEN, width), dtype=np.float32)
    weights = np.arange(1, CLUSTERS + 1) ** -0.5
    vectors = np.empty((count, width), np.float32)
    for begin in range(0, count, BLOCK):
        n = min(BLOCK, count - begin)
        centre = centres[rng.choice(CLUSTERS, n, p=weights / weights.sum())]
        latent = centre + SPREAD * scale * rng.standard_normal((n, LATENT), dtype=np.float32)
        features = np.maximum(np.maximum(latent @ first, 0) @ second, 0)  # (n, D)
        features += NOISE * features.std() * np.abs(rng.standard_normal(features.shape, dtype=np.float32))
        vectors[begin : begin + n] = features / np.linalg.norm(features, axis=1, keepdims=True)
    return vectors
