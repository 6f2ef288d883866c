"""encoder.onnx: the encoder for programs without torch, with a free batch size, and what its input must be.

Input `images` (B, C, S, S) float32, output `features` (B, D). How an image becomes that input stands in the file's
metadata_props, as strings that are JSON where they are lists.
"""

import contextlib
import copy
import io
import json
import logging
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from components.encoder.params import Images

MODES = {1: "gray", 2: "gray, alpha", 3: "R, G, B", 4: "R, G, B, alpha"}
RESIZE = "turn upright (EXIF), scale to cover a square of `side` pixels (bicubic), cut it out of the middle"


def export_onnx(network: nn.Module, path: Path, images: Images) -> None:
    """Write the graph with its weights inside, one file."""
    example = torch.zeros(2, images.channels, images.side, images.side)
    still = copy.deepcopy(network).cpu().eval().to(memory_format=torch.contiguous_format)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # the exporter's own deprecations are not the user's concern
        exported = Path(folder) / path.name
        torch.onnx.export(
            still,
            (example,),
            exported,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(exported)
    forget_the_exporter(model.graph)
    onnx.helper.set_model_props(model, preprocessing(images))
    onnx.save(model, path)


def preprocessing(images: Images) -> dict[str, str]:
    """From an image to the input, for a program that has only the file."""
    return {
        "layout": "NCHW float32: (pixel / 255 - mean) / std, a channel",
        "channels": MODES[images.channels],
        "side": str(images.side),
        "mean": json.dumps(images.mean),
        "std": json.dumps(images.std),
        "resize": RESIZE,
    }


def forget_the_exporter(graph: onnx.GraphProto) -> None:
    """Drop what it noted of its own work: paths of this machine, which would make the bytes other ones elsewhere."""
    for noted in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        noted.ClearField("metadata_props")
