"""Warns where `pretrain.images` does not suit the images to train on: range, channels, side, or mean and deviation.

The training would go on without a word, and learn from gray, from a few pixels, from pixels that do not exist, or from
nearly black ones. A few images from row groups all over the store are looked at. Nothing is drawn, so no random stream
is touched.

H x W pixels, C channels that are looked at: of gray and coloured images three, of others all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.encoder.params import Images
from components.learning.params import Views
from components.store.decode import MODES, accept, decode_picture, decode_whole, read_all
from components.store.store import Store

GROUPS, IMAGES = 8, 64  # at most so many row groups are looked into, and about so many images
POINTS = 128  # of an image, at most about twice so many rows and columns tell its colours, mean and deviation
SOME_COLOUR = 0.1  # of the images; fewer coloured ones among gray ones may well be trained on in gray
SMALL_SIDE, FEW_PIXELS = 32, 3.0  # a side below the first is for images that are at most so many times as large
ENLARGED = 1.5  # times the images' own size
SHIFTED, STRETCHED = 0.4, 1.67  # of the normalised images: ImageNet's statistics keep photographs well within these
DARK, CUT = 0.25, 0.01  # share of the range that the highest value should reach, and of values that may lie above it
CURE = "`python -m presets photos --from metrics/data.json`, with cpu after photos on a CPU, sets what suits"
COLOURING = ("jitter", "grayscale", "solarise")  # act on channels that have a colour


@dataclass(frozen=True)
class Look:
    """Describes what a few of the images look like."""

    count: int
    coloured: int
    shorter_side: int  # the median
    mean: np.ndarray  # (C,) in 0..1; each image has the same weight
    std: np.ndarray  # (C,)
    deep: int  # how many of them have more than 8 bits
    bits: int  # the most that one has
    bands: int  # how many of them are neither gray nor colours
    hidden: int  # how many of these are decoded as what a viewer shows, without their other channels
    highest: int  # of all values, of those with more than 8 bits if there are any
    cut: float  # share of the values that lie above the range


class Depth(NamedTuple):
    """Describes the values of an image that has more than gray or RGB of 8 bits."""

    bits: int
    bands: bool  # whether no colour is known of its channels
    highest: int  # value, but for alpha


def warn_of_unsuitable(params: Images, store: Store, splits: tuple[str, ...]) -> list[str]:
    """Return a line for each setting that does not suit the images of the splits.

    Raises InputError if they do not have these channels.
    """
    look = look_at_images(params, store, splits)
    found = check_range(params, look) or check_channels(params, look) or check_statistics(params, look)
    found += check_side(params, look)
    return [f"params.yaml: pretrain.images.{line}" for line in found] + ([CURE] if found else [])


def warn_of_colourless(views: Views, params: Images) -> list[str]:
    """Return a line if views would change colours, and no channel has one."""
    asked = [view for view in (views.first, views.second, views.target) if view]
    idle = [name for name in COLOURING if any(getattr(view, name) for view in asked)]
    if not idle or params.coloured or params.colours is not None:
        return []
    return [
        f"params.yaml: pretrain.views: {', '.join(idle)}: without effect, since of {params.channels} channels none has "
        "a colour: pretrain.images.colours names those that are red, green and blue; [] says that there are none"
    ]


def look_at_images(params: Images, store: Store, splits: tuple[str, ...]) -> Look:
    """Decode images that lie evenly spaced in groups that are evenly spaced in the store."""
    encoded = list(choose_images(store, splits))
    found = [read_depth(image) for image in encoded]
    depths = [depth for depth in found if depth]
    deep = [depth for depth in depths if depth.bits > 8]
    bands = sum(depth.bands for depth in depths)
    highest = max((depth.highest for depth in deep), default=0)
    hidden = 0
    if not params.deep and params.channels in MODES:
        banded = [image for image, depth in zip(encoded, found, strict=True) if depth and depth.bands]
        hidden = sum(decode_picture(image, params.channels) is not None for image in banded)
    plain = not bands and params.colours is None and params.channels in MODES
    low, high = params.limits
    sides, coloured, means, squares, cut = [], 0, [], [], []
    for image in encoded:
        pixels = decode_whole(image, channels=3 if plain else params.channels, deep=params.deep)  # (H, W, C)
        sides.append(min(pixels.shape[:2]))
        apart = max(1, sides[-1] // POINTS)
        seen = pixels[::apart, ::apart]
        highest = highest if deep else max(highest, int(pixels.max()))
        coloured += bool((seen != seen[..., :1]).any())
        cut.append((seen > high).mean())
        values = ((seen.astype(float) - low) / (high - low)).clip(0, 1)
        means.append(values.mean((0, 1)))
        squares.append((values**2).mean((0, 1)))
    mean = np.mean(means, axis=0)
    std = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
    shorter, bits = int(np.median(sides)), max((depth.bits for depth in deep), default=8)
    return Look(len(sides), coloured, shorter, mean, std, len(deep), bits, bands, hidden, highest, float(np.mean(cut)))


def read_depth(encoded: bytes) -> Depth | None:
    """Read how deep an image is; None if it is gray or RGB of 8 bits."""
    samples = read_all(encoded, accept)
    if samples is None:
        return None
    return Depth(samples.bits, samples.bands, int(samples.values[..., : samples.channels - samples.alpha].max()))


def choose_images(store: Store, splits: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the encoded images that are looked at."""
    groups = store.find_groups(splits)
    places = space_evenly(len(groups), GROUPS)
    for encoded in store.read_groups([groups[place] for place in places]):
        for place in space_evenly(len(encoded), -(-IMAGES // len(places))):
            yield encoded[place]


def space_evenly(count: int, wanted: int) -> list[int]:
    """Return at most `wanted` of `count` places, evenly spaced."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())]


def check_range(params: Images, look: Look) -> list[str]:
    """Compare the range with the highest value."""
    of = f"of {look.count} images looked at"
    if not params.deep:
        if not look.deep:
            return []
        dark = ", which are then nearly black" if look.highest < DARK * 2**look.bits else ""
        return [
            f"range: empty, so that of {look.bits} bits the upper 8 alone are seen, but {look.deep} {of} have more "
            f"than 8, with values up to {look.highest}{dark}; {propose_range(look.highest)} keeps them all"
        ]
    low, high = params.limits
    if look.highest - low < DARK * (high - low):
        right = propose_range(look.highest) if look.deep else "these have 8 bits: leave it empty"
        return [f"range: [{low}, {high}], but the highest value {of} is {look.highest}: they are nearly black; {right}"]
    if look.cut > CUT:
        return [
            f"range: [{low}, {high}], but {look.cut:.0%} of the values {of} are above it, and become white; the "
            f"highest is {look.highest}: {propose_range(look.highest)}"
        ]
    return []


def propose_range(highest: int) -> str:
    """Propose the range of the fewest bits that hold the highest value."""
    return f"[0, {2 ** max(8, highest.bit_length()) - 1}]"


def check_channels(params: Images, look: Look) -> list[str]:
    """Compare the channels with the images' colours."""
    if look.bands and params.alpha:
        return [
            f"colours: empty, so that the last of {params.channels} channels counts as alpha, which {look.bands} of "
            f"{look.count} images looked at do not have; [] if no channel has a colour, or the numbers of R, G and B"
        ]
    if look.hidden and params.colours is not None:
        return [
            f"range: empty, so that up to four channels are what a viewer shows, but {look.hidden} of {look.count} "
            f"images looked at have others, which are then lost; {propose_range(look.highest)} keeps them all"
        ]
    if look.bands or params.colours is not None or params.channels not in MODES:
        return []
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
    colours = 1 if params.channels <= 2 and len(look.mean) == 3 else min(params.channels, len(look.mean))
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
