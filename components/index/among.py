"""Places pictures in a map among their neighbours there. Q pictures, K neighbours, N images of the map."""

import numpy as np

SQUARED_NEAREST = 1e-6  # a picture whose squared distance to an image is far below lies where that image lies


def place_among(places: np.ndarray, rows: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Place pictures by the rows and cosines (Q, K) of their neighbours in the map, (N, 2) -> (Q, 2) float32.

    The nearer an image, the more it weighs: by the inverse of its squared distance (Shepard 1968, ACM, 517-524)."""
    squared = np.maximum(2 - 2 * cosines.astype(np.float64), 0)  # between vectors of length 1
    weights = 1 / (squared + SQUARED_NEAREST)
    weights /= weights.sum(axis=1, keepdims=True)  # (Q, K)
    placed: np.ndarray = np.einsum("qk,qkx->qx", weights, places[rows].astype(np.float64)).astype(np.float32)
    return placed
