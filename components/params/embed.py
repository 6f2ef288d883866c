"""`embed`: how features are computed. What the network is stands beside its weights, not here."""

from typing import Literal

from components.params.base import Count, Device, Launcher, Params


class Embed(Params):
    """Where, how precisely, in which portions, and how many pixels the pixel baseline keeps."""

    launcher: Launcher
    device: Device
    threads: Count
    precision: Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 on CUDA
    workers: Count  # threads that decode
    batch_size: Count
    pixels_side: Count


Section = Embed
