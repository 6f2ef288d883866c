"""The section `embed` of params.yaml: how features are computed. The network is described beside its weights."""

from components.stage.types import Count, Device, Launcher, Params, Precision


class Embed(Params):
    """Where and how precisely features are computed, in which portions, and what the pixel baseline keeps."""

    launcher: Launcher
    device: Device
    threads: Count
    precision: Precision
    workers: Count  # threads that decode
    batch_size: Count
    pixels_side: Count  # pixels per side that the pixel baseline keeps


SECTIONS = {"embed": Embed}
