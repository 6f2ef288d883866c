"""The file encoder.onnx: the encoder for programs without torch, for any batch size, and how its input is made.

The input `images` is (B, C, S, S) float32, the output `features` (B, D). The file's metadata_props say how an image
becomes that input, as strings; lists are JSON.
"""

import contextlib
import copy
import io
import json
import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from components.encoder.params import Images
from components.stage.disk import write_beside

MODES = {1: "gray", 2: "gray, alpha", 3: "R, G, B", 4: "R, G, B, alpha"}
RESIZE = "turn upright (EXIF), scale to cover a square of `side` pixels (bicubic), cut it out of the middle"


def export_onnx(network: nn.Module, path: Path, images: Images) -> None:
    """Write the graph and its weights as one file."""
    example = torch.zeros(2, images.channels, images.side, images.side)
    frozen = copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not the user's concern
        exported = torch.onnx.export(
            frozen,
            (example,),
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert exported is not None, "dynamo was asked for"
    model = exported.model_proto  # in memory: a disk for temporary files may be full
    drop_exporter_notes(model.graph)
    onnx.helper.set_model_props(model, describe_preprocessing(images))
    with write_beside(path) as new:
        onnx.save(model, new)


def describe_preprocessing(images: Images) -> dict[str, str]:
    """Describe how an image becomes the input, for a program that has only the file."""
    low, high = images.limits
    unit = f"clip((pixel - {low}) / {high - low}, 0, 1)" if images.deep else "pixel / 255"
    return {
        "layout": f"NCHW float32: ({unit} - mean) / std, a channel",
        "channels": describe_channels(images),
        "side": str(images.side),
        "mean": json.dumps(images.mean),
        "std": json.dumps(images.std),
        "resize": RESIZE,
        **({"range": json.dumps(images.range)} if images.deep else {}),
    }


def describe_channels(images: Images) -> str:
    """Describe what the channels stand for."""
    if images.colours is None and images.channels in MODES:
        return MODES[images.channels]
    kinds = {0: "", 1: "{} is gray", 3: "{}, {}, {} are R, G, B"}[len(images.coloured)].format(*images.coloured)
    return f"{images.channels}, counted from 0" + (f"; {kinds}" if kinds else "")


def drop_exporter_notes(graph: onnx.GraphProto) -> None:
    """Drop the exporter's notes on its work: they hold paths of this machine, so the bytes would differ elsewhere."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
