"""Pictures inside the page: images of the store as data addresses, as large as their share of the page allows.

M images of the bank, D features, Q queries, K neighbours.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from components.store.decode import decode
from components.store.store import SPLITS, Store

SHOWN_SIDE = 128  # pixels; larger images are scaled down before they go into the page
LEAST_SIDE = 16  # where making it smaller stops
PREVIEW_BYTES = 1_000_000
LOSSLESS_SIDE = 48  # up to here every pixel counts


@dataclass(frozen=True)
class Shown:
    """A picture with its caption."""

    address: str  # data:image/png;base64,...
    label: str  # "" where there is none
    note: str = ""


def data_address(encoded: bytes, kind: str = "png") -> str:
    """An image that stands in the page itself."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def thumbnail(encoded: bytes, limit: int) -> str:
    """An image of the store, at most SHOWN_SIDE pixels a side, in `limit` bytes unless it is tiny already."""
    return fitted(decode(encoded, channels=3), SHOWN_SIDE, limit)


def fitted(image: Image.Image, side: int, limit: int) -> str:
    """The largest and best encoding that keeps to the limit."""
    while True:
        small = image.copy()
        small.thumbnail((side, side))
        kinds = ["png", "webp"] if max(small.size) <= LOSSLESS_SIDE else ["webp"]
        for kind in kinds:
            out = BytesIO()
            small.save(out, format=kind, **({"optimize": True} if kind == "png" else {"quality": 80, "method": 4}))
            if out.tell() <= limit or (side <= LEAST_SIDE and kind == kinds[-1]):
                return data_address(out.getvalue(), kind)
        side = max(LEAST_SIDE, min(side, max(small.size)) * 3 // 4)


def read_pictures(store: Store, rows: Iterable[int], budget: int) -> dict[int, str]:
    """Row of the store -> its picture; all of them together keep to the budget, in bytes before base64."""
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    limit = budget // max(len(wanted), 1)
    return {int(wanted[place]): thumbnail(encoded, limit) for place, encoded in store.pick(wanted, SPLITS)}


def unit(rows: np.ndarray) -> np.ndarray:
    """(M, D) -> (M, D) of length 1, or 0 where they were 0."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)  # (M, 1)
    return np.asarray(rows / lengths)


def nearest_by_cosine(queries: np.ndarray, bank: np.ndarray, count: int) -> np.ndarray:
    """(Q, D), (M, D) -> (Q, K) row numbers of the bank, the nearest first."""
    return np.argsort(-(unit(queries) @ unit(bank).T), axis=1, kind="stable")[:, :count]


def preview(path: Path) -> str:
    """A picture that another stage drew, as it is where it is small enough."""
    encoded = path.read_bytes()
    if len(encoded) <= PREVIEW_BYTES:
        return data_address(encoded)
    with Image.open(BytesIO(encoded)) as picture:
        return fitted(picture.convert("RGB"), max(picture.size), PREVIEW_BYTES)
