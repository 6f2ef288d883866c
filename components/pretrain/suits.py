"""Warns where `pretrain.images` does not suit the images to train on: channels, side, or mean and deviation.

The training would go on without a word, and learn from gray, from a few pixels, or from pixels that do not exist. A few
images from row groups all over the store are looked at. Nothing is drawn, so no random stream is touched.

H x W pixels.
"""

from dataclasses import dataclass

import numpy as np

from components.encoder.params import Images
from components.store.decode import decode_whole
from components.store.store import Store

GROUPS, IMAGES = 8, 64  # at most so many row groups are looked into, and about so many images
POINTS = 128  # of an image, at most about twice so many rows and columns tell its colours, mean and deviation
SOME_COLOUR = 0.1  # of the images; fewer coloured ones among gray ones may well be trained on in gray
SMALL_SIDE, FEW_PIXELS = 32, 3.0  # a side below the first is for images that are at most so many times as large
ENLARGED = 1.5  # times the images' own size
SHIFTED, STRETCHED = 0.4, 1.67  # of the normalised images: ImageNet's statistics keep photographs well within these
CURE = "`python -m presets photos --from metrics/data.json`, with cpu after photos on a CPU, sets what suits"


@dataclass(frozen=True)
class Look:
    """Describes what a few of the images look like."""

    count: int
    coloured: int
    shorter_side: int  # the median
    mean: np.ndarray  # (3,) of R, G, B in 0..1; each image has the same weight
    std: np.ndarray  # (3,)


def warn_of_unsuitable(params: Images, store: Store, splits: tuple[str, ...]) -> list[str]:
    """Return a line for each setting that does not suit the images of the splits."""
    look = look_at_images(store, splits)
    found = check_channels(params, look) or check_statistics(params, look)
    found += check_side(params, look)
    return [f"params.yaml: pretrain.images.{line}" for line in found] + ([CURE] if found else [])


def look_at_images(store: Store, splits: tuple[str, ...]) -> Look:
    """Decode images that lie evenly spaced in groups that are evenly spaced in the store."""
    groups = store.find_groups(splits)
    places = space_evenly(len(groups), GROUPS)
    sides, coloured, means, squares = [], 0, [], []
    for encoded in store.read_groups([groups[place] for place in places]):
        for place in space_evenly(len(encoded), -(-IMAGES // len(places))):
            pixels = decode_whole(encoded[place], channels=3, deep=False)  # (H, W, 3) uint8
            sides.append(min(pixels.shape[:2]))
            apart = max(1, sides[-1] // POINTS)
            values = pixels[::apart, ::apart] / 255
            coloured += bool((values != values[..., :1]).any())
            means.append(values.mean((0, 1)))
            squares.append((values**2).mean((0, 1)))
    mean = np.mean(means, axis=0)
    std = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
    return Look(len(sides), coloured, int(np.median(sides)), mean, std)


def space_evenly(count: int, wanted: int) -> list[int]:
    """Return at most `wanted` of `count` places, evenly spaced."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]


def check_channels(params: Images, look: Look) -> list[str]:
    """Compare the channels with the images' colours."""
    if params.channels <= 2 and look.coloured >= SOME_COLOUR * look.count:
        return [
            f"mean: for gray images, but {look.coloured} of {look.count} images looked at have colours, now lost; "
            f"these need three numbers: {format_numbers(look.mean)}, and std: {format_numbers(look.std)}"
        ]
    if params.channels >= 3 and not look.coloured:
        return [
            f"mean: for colour images, but all {look.count} images looked at are gray; "
            f"gray needs one number: {format_numbers(look.mean[:1])}, and std: {format_numbers(look.std[:1])}"
        ]
    return []


def check_side(params: Images, look: Look) -> list[str]:
    """Compare the side that the network sees with the images' own."""
    if params.side > ENLARGED * look.shorter_side:
        return [
            f"side: {params.side} pixels, but the images' shorter side is {look.shorter_side} in the middle: they are "
            f"enlarged, which costs time and adds nothing; at most {max(8, look.shorter_side)}"
        ]
    if params.side < SMALL_SIDE and look.shorter_side > FEW_PIXELS * params.side:
        return [
            f"side: {params.side} pixels, but the images' shorter side is {look.shorter_side} in the middle: little is "
            f"left of them; at least {min(SMALL_SIDE, look.shorter_side)}, and 128 on a GPU if they have as many"
        ]
    return []


def check_statistics(params: Images, look: Look) -> list[str]:
    """Compare mean and deviation with the images' own, of as many channels."""
    colours = 1 if params.channels <= 2 else 3
    own_mean, own_std = look.mean[:colours], look.std[:colours]
    mean, std = np.array(params.mean[:colours]), np.array(params.std[:colours])
    shift, stretch = np.abs(own_mean - mean) / std, np.maximum(own_std, 1e-6) / std
    if shift.max() <= SHIFTED and stretch.max() <= STRETCHED and stretch.min() >= 1 / STRETCHED:
        return []
    return [
        f"mean, std: {format_numbers(mean)} and {format_numbers(std)}, but the images' own are about "
        f"{format_numbers(own_mean)} and {format_numbers(own_std)}"
    ]


def format_numbers(numbers: np.ndarray) -> str:
    """Write numbers as params.yaml has them."""
    return f"[{', '.join(f'{number:.3f}' for number in numbers)}]"
