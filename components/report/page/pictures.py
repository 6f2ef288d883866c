"""Makes the pictures inside the page: images of the store as data addresses, as large as their share of bytes allows.

M images of the bank, D features, Q queries, K neighbours.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from components.encoder.params import Images
from components.features.cosine import normalise_rows
from components.stage.errors import InputError
from components.store.decode import MODES, decode_image, decode_shown
from components.store.store import SPLITS, Store

SHOWN_SIDE = 128  # pixels; larger images are scaled down before they go into the page
LEAST_SIDE = 16  # images are not made smaller than this
PREVIEW_BYTES = 1_000_000
LOSSLESS_SIDE = 48  # images up to this side may be PNG, which keeps every pixel


@dataclass(frozen=True)
class Picture:
    """A picture with its caption."""

    address: str  # data:image/png;base64,...
    label: str  # "" if there is none
    note: str = ""


def make_data_address(encoded: bytes, kind: str = "png") -> str:
    """Return the data address that holds an encoded image."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def make_thumbnail(encoded: bytes, limit: int, images: Images) -> str:
    """Return the address of a stored image in at most SHOWN_SIDE pixels per side and, unless tiny, `limit` bytes."""
    return fit_image(decode_picture(encoded, images), SHOWN_SIDE, limit)


def decode_picture(encoded: bytes, images: Images) -> Image.Image:
    """Decode an image as a viewer shows it; by a range, and by named colours where these or many channels are given.

    An image of which no channel has a colour is shown by its first channel, in gray.
    """
    low, high = images.limits
    if images.colours is None and images.channels in MODES:
        return (
            decode_shown(encoded, low=low, high=high, channels=None)
            if images.deep
            else decode_image(encoded, channels=3)
        )
    shown = images.coloured or (0,)
    red, green, blue = shown if len(shown) == 3 else shown * 3
    return decode_shown(encoded, low=low, high=high, channels=(red, green, blue))


def fit_image(image: Image.Image, side: int, limit: int) -> str:
    """Return the address of the largest and best encoding of an image that keeps to the limit of bytes."""
    while True:
        small = image.copy()
        small.thumbnail((side, side))
        kinds = ["png", "webp"] if max(small.size) <= LOSSLESS_SIDE else ["webp"]
        for kind in kinds:
            out = BytesIO()
            small.save(out, format=kind, **({"optimize": True} if kind == "png" else {"quality": 80, "method": 4}))
            if out.tell() <= limit or (side <= LEAST_SIDE and kind == kinds[-1]):
                return make_data_address(out.getvalue(), kind)
        side = max(LEAST_SIDE, min(side, max(small.size)) * 3 // 4)


def read_pictures(store: Store, rows: Iterable[int], budget: int, images: Images) -> dict[int, str]:
    """Return the address of each row's picture; together they keep to the budget of bytes before base64."""
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    limit = budget // max(len(wanted), 1)
    return {
        int(wanted[place]): make_thumbnail(encoded, limit, images)
        for place, encoded in store.read_images(wanted, SPLITS)
    }


def find_nearest_rows(queries: np.ndarray, bank: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of the bank nearest to each query by cosine, nearest first: (Q, D), (M, D) -> (Q, K)."""
    return np.argsort(-(normalise_rows(queries) @ normalise_rows(bank).T), axis=1, kind="stable")[:, :count]


def read_preview(path: Path) -> str:
    """Read a picture that another stage drew and return its address; a large picture is made smaller."""
    try:
        encoded = path.read_bytes()
        with Image.open(BytesIO(encoded), formats=["PNG"]) as picture:
            whole = picture.convert("RGB")
    except Exception as error:  # decoders of broken files raise anything
        raise InputError(f"{path}: cannot be read as PNG ({error}); `dvc repro pretrain` writes it") from None
    if len(encoded) <= PREVIEW_BYTES:
        return make_data_address(encoded)
    return fit_image(whole, max(whole.size), PREVIEW_BYTES)
