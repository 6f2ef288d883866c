"""Reads of a TIFF's description which axis its pages are: ImageJ, OME and tifffile write it there.

tifffile writes an array of N x H x W as N pages, and one of H x W x N as H pages of W x N. If its axes have no names,
pages that are square are channels, else pages that begin a square are rows, else the shorter one of the first axis and
the last holds the channels.
https://docs.openmicroscopy.org/ome-model/latest/ome-tiff; https://imagej.net/ij/docs/guide (section 3.6)
"""

import json
import re
from typing import NamedTuple

MOST_PAGES = 4096
LONGEST = 2**20  # characters; OME describes every page
OTHER_AXES = ("slices", "frames", "SizeZ", "SizeT")
NUMBER = re.compile(r'\b(images|channels|slices|frames|SizeC|SizeZ|SizeT)="?(\d{1,6})\b')
UNNAMED = "Q"


class Axes(NamedTuple):
    """How the pages make one image."""

    pages: int
    last: bool  # whether each page is a row of W x N, so that the channels lie last


def read_axes(description: str, height: int, width: int) -> Axes | None:
    """Read how pages of this size make one image; None if the description does not say that they do."""
    text = description[:LONGEST]
    if text.startswith('{"shape":'):
        return read_shape(text, height, width)
    if not text.startswith("ImageJ=") and "<OME" not in text[:1000]:
        return None
    said = {name: int(number) for name, number in reversed(NUMBER.findall(text))}  # the first of each stays
    count = said["channels"] if "channels" in said else said.get("SizeC", 1)
    others = [said[name] for name in OTHER_AXES if said.get(name, 1) > 1]
    return Axes(count, last=False) if 1 < count <= MOST_PAGES and not others else None


def read_shape(text: str, height: int, width: int) -> Axes | None:
    """Read the shape of the array that tifffile wrote, and the names of its axes if it had any."""
    try:
        said = json.loads(text)
        shape, names = list(said["shape"]), str(said.get("axes", ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    names = names if len(names) == len(shape) else UNNAMED * len(shape)
    axes = [(name, size) for name, size in zip(names, shape, strict=True) if size != 1]
    if len(axes) != 3 or [size for _, size in axes[1:]] != [height, width] or not 1 < axes[0][1] <= MOST_PAGES:
        return None
    (first, count), (_, rows), (last, columns) = axes
    if first == "C":
        return Axes(count, last=False)
    if first == UNNAMED:
        return Axes(count, last=rows != columns and (count == rows or count > columns))
    return Axes(count, last=True) if first == "Y" and last in ("C", "S") else None
