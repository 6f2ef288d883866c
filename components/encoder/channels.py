"""Says what the channels of an image stand for, by their number and by `pretrain.images.colours`.

If `colours` is empty, one channel is gray, two are gray and alpha, three RGB and four RGBA, and of more than four none
has a colour. If it names channels, as [3, 2, 1] does for red, green and blue, all others are measurements: none of them
is alpha. C channels.
"""

Colours = tuple[int, ...] | None  # the channels that are red, green and blue, or the one that is gray; () is none

COLOURS_OF = {1: (0,), 2: (0,), 3: (0, 1, 2), 4: (0, 1, 2)}  # if `colours` is empty
HIGHEST = 2**16 - 1  # of 16 bits


def find_coloured(channels: int, colours: Colours) -> tuple[int, ...]:
    """Return the channels on which the operations on colours act: three of them, one, or none."""
    return COLOURS_OF.get(channels, ()) if colours is None else colours


def has_alpha(channels: int, colours: Colours) -> bool:
    """Whether the last channel is alpha, which goes where the picture goes and keeps its values."""
    return colours is None and channels in (2, 4)
