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
from components.stage.errors import InputError

INPUT = "images"


class OnnxNetwork:
    """Computes features of squares."""

    def __init__(self, folder: Path, shape: Images, threads: int) -> None:
        """Load the file from the encoder's folder. Raises InputError if it is missing or damaged."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors alone
        path = folder / ONNX
        try:
            content = path.read_bytes()  # at once, so that a file that is replaced stays as it was loaded
            self.session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; `dvc repro pretrain` writes it") from None
        except Exception as error:  # onnxruntime has many, without a common base
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: no ONNX that can be run ({reason}); `dvc repro pretrain` writes it") from None
        self.shape = shape

    def __call__(self, squares: np.ndarray) -> np.ndarray:
        """Compute features: (B, C, S, S) pixels -> (B, D) float32."""
        inputs = normalise(torch.from_numpy(squares), self.shape).numpy()
        features: np.ndarray = self.session.run(None, {INPUT: inputs})[0]
        return features
