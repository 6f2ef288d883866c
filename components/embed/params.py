"""The section `embed` of params.yaml: how features are computed. The network is described beside its weights."""

from typing import Annotated

from pydantic import Field

from components.stage.types import Batch, Device, Launcher, Params, Precision, Workers


class Embed(Params):
    """Where and how precisely features are computed, in which portions, and what the pixel baseline keeps."""

    launcher: Launcher
    device: Device
    threads: Workers
    precision: Precision
    workers: Workers  # threads that decode
    batch_size: Batch
    pixels_side: Annotated[int, Field(ge=1, le=512)]  # pixels per side that the pixel baseline keeps


SECTIONS = {"embed": Embed}
