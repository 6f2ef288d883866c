"""`embed`: how features are computed. What the network is stands beside its weights, not here."""

from components.params.base import Count, Device, Params


class Embed(Params):
    """Where, in which portions, and how many pixels the pixel baseline keeps."""

    device: Device
    threads: Count
    batch_size: Count
    pixels_side: Count


Section = Embed
