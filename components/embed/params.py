"""`embed`: how features are computed. What the network is stands beside its weights, not here."""

from components.stage.types import Count, Device, Launcher, Params, Precision


class Embed(Params):
    """Where, how precisely, in which portions, and how many pixels the pixel baseline keeps."""

    launcher: Launcher
    device: Device
    threads: Count
    precision: Precision
    workers: Count  # threads that decode
    batch_size: Count
    pixels_side: Count


SECTIONS = {"embed": Embed}
