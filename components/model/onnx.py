"""encoder.onnx: the encoder for programs without torch, with a free batch size. Input `images` (B, C, S, S), float32,
normalised as config.json says; output `features` (B, D)."""

import contextlib
import copy
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import nn


def export_onnx(network: nn.Module, path: Path, *, channels: int, side: int) -> None:
    """Write the graph with its weights inside, one file."""
    example = torch.zeros(2, channels, side, side)
    still = copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not the user's concern
        torch.onnx.export(
            still,
            (example,),
            path,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
