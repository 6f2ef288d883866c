"""Pictures inside the page: images as data addresses, and the nearest neighbours of a few test images.

M train images, N test images, D features, Q queries, K neighbours.
"""

import base64
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from components.data.decode import decode

SHOWN_SIDE = 128  # pixels; larger images are scaled down before they go into the page


@dataclass(frozen=True)
class Shown:
    """An image of the gallery."""

    address: str  # data:image/png;base64,...
    label: str


@dataclass(frozen=True)
class Neighbourhood:
    """A test image and its nearest train images, the nearest first."""

    query: Shown
    nearest: list[Shown]


def data_address(encoded: bytes, kind: str = "png") -> str:
    """An image that stands in the page itself."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def thumbnail(encoded: bytes) -> str:
    """An image of the store, at most SHOWN_SIDE pixels a side, as a data address."""
    small = decode(encoded, channels=3)
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    out = BytesIO()
    small.save(out, format="PNG", optimize=True)
    return data_address(out.getvalue())


def nearest_by_cosine(queries: np.ndarray, bank: np.ndarray, count: int) -> np.ndarray:
    """(Q, D), (M, D) -> (Q, K) row numbers of the bank, the nearest first."""
    unit = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (queries, bank)]
    return np.argsort(-(unit[0] @ unit[1].T), axis=1, kind="stable")[:, :count]
