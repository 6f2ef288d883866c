"""Opens an ONNX file by onnxruntime, without torch, and says in a line why one cannot be run."""

import os
from pathlib import Path

import onnxruntime

from components.stage.errors import InputError


def open_session(
    path: Path, made: str, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """Open a file, which `made` says how to make. It is read at once, so that what replaces it changes nothing.

    Raises InputError if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}; {made}") from None
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many, without a common base
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: damaged, or no ONNX file: {reason}; {made}") from None
