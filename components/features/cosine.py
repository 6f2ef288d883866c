"""Scales features to length 1, so that the product of two images' features is their cosine.

M images, D features.
"""

import numpy as np


def normalise_rows(rows: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; a row of zeros stays as it is: (M, D) -> (M, D)."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)  # (M, 1)
    return np.asarray(rows / lengths)
