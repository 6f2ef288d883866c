"""Decide whether two images that look alike by their perceptual hashes are near copies: the second look.

Hashes call simple pictures alike, such as two handwritten ones. The second look compares the edges in thumbnails of
16 x 16 pixels, the differences of neighbouring pixels, by their cosine r. How much it tells depends on how many places
have edges: in n independent places, two different pictures agree as well by chance with a probability of about
(1 - r^2)^(n/2). So the evidence is n/2 ln 1/(1 - r^2), with the participation ratio of the edges' strengths as n, and
photographs of a busy scene may agree less than drawings of a line. Both thresholds are measured by
benchmarks/near_copies.py.

P pairs of images, E edges.
"""

import numpy as np

from components.fetch.checks.inspect import THUMBNAIL

EDGES = 2 * THUMBNAIL * (THUMBNAIL - 1)
ENOUGH = 110.0  # evidence that two images are near copies
SURE = 0.98  # a cosine that suffices however few edges there are: a re-encoded drawing


def look_again(left: np.ndarray, right: np.ndarray, details: np.ndarray) -> np.ndarray:
    """Return whether the thumbnails, (P, 16, 16) uint8 each, show nearly the same: (P,) bool.

    `details`, (P,) in 0..1, are the shares of the thumbnails' pixels that the smaller images really have.
    """
    edges = find_edges(left), find_edges(right)
    lengths = np.sqrt(np.einsum("pe,pe->p", edges[0], edges[0]) * np.einsum("pe,pe->p", edges[1], edges[1]))
    cosine = np.einsum("pe,pe->p", *edges) / np.maximum(lengths, 1)
    cosine = np.clip(cosine, 0, 1 - 1e-6)
    evidence = -details * count_places(*edges) / 2 * np.log(1 - cosine**2)
    near: np.ndarray = (evidence >= ENOUGH) | (cosine >= SURE)
    return near


def find_edges(thumbnails: np.ndarray) -> np.ndarray:
    """Return the differences of neighbouring pixels: (P, 16, 16) uint8 -> (P, E) float32."""
    pixels = thumbnails.astype(np.float32)
    across, down = np.diff(pixels, axis=2), np.diff(pixels, axis=1)
    return np.concatenate([edges.reshape(len(pixels), EDGES // 2) for edges in (across, down)], axis=1)


def count_places(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return how many places have edges, as the participation ratio of their strengths: (P, E) twice -> (P,)."""
    strengths = np.zeros_like(left)
    for edges in (left, right):
        size = np.abs(edges)
        strengths += size / np.maximum(size.sum(axis=1, keepdims=True), 1)
    squares = np.einsum("pe,pe->p", strengths, strengths)
    ratio: np.ndarray = strengths.sum(axis=1) ** 2 / np.maximum(squares, 1e-9)
    return ratio
