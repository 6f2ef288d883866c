"""Runs the encoder's ONNX file by onnxruntime, which measured faster here than PyTorch (docs/serving.md).

B images, C channels, S pixels per side, D features.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from components.encoder.normalise import normalise
from components.encoder.params import Images
from components.encoder.saved import ONNX
from serving.session import open_session

INPUT = "images"


class OnnxNetwork:
    """Computes features of squares."""

    def __init__(self, folder: Path, shape: Images, threads: int) -> None:
        """Load the file from the encoder's folder. Raises InputError if it is missing or damaged."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors alone
        self.session: Any = open_session(folder / ONNX, "`dvc repro pretrain` writes it", options)
        self.shape = shape

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """Compute features: (B, C, S, S) pixels -> (B, D) float32."""
        inputs = normalise(torch.from_numpy(squares), self.shape).numpy()
        features: np.ndarray = self.session.run(None, {INPUT: inputs})[0]
        return features
