"""Makes files of weights of a tiny network, sound ones and ones that would harm whoever believes them."""

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from components.encoder.build import build_encoder
from tests.pretrain.tiny import TINY

Weights = dict[str, Tensor]


def build_tiny(channels: int = 1, seed: int = 7) -> nn.Module:
    torch.manual_seed(seed)
    network = build_encoder(TINY, channels=channels, side=8)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean.normal_()
    return network


def draw_weights(channels: int = 1) -> Weights:
    return dict(build_tiny(channels).state_dict())


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def save_zip(path: Path, content: Any) -> None:
    torch.save(content, path)


def save_legacy(path: Path, content: Any) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_safe(path: Path, content: Weights) -> None:
    save_file({name: tensor.contiguous() for name, tensor in content.items()}, path)


FORMATS: dict[str, Callable[[Path, Any], None]] = {"zip": save_zip, "legacy": save_legacy, "safetensors": save_safe}


def write_header(path: Path, announced: int, header: bytes, content: bytes = b"") -> None:
    path.write_bytes(struct.pack("<Q", announced) + header + content)


def write_bomb(path: Path) -> None:
    """Write an archive whose contents take a thousand times the room of the file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data.pkl", b"N" * 10**7)


def cut(path: Path) -> None:
    save_zip(path, draw_weights())
    os.truncate(path, path.stat().st_size // 2)


def repeat(path: Path) -> None:
    """Write one number that announces itself a million million times."""
    save_zip(path, {"0.weight": torch.zeros(1).as_strided((10**6, 10**6), (0, 0))})


def nest(path: Path) -> None:
    """Write a dictionary that stands 30 times in a dictionary that stands 30 times in another, and so on."""
    content: Any = {"weight": torch.zeros(1)}
    for _ in range(6):
        content = dict.fromkeys(map(str, range(30)), content)
    save_zip(path, content)


TERABYTES = b'{"0.weight":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}'
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {  # what writes the file, and what is said about it
    "code": (lambda path: save_zip(path, draw_weights() | {"x": Call(os.mkdir, "ran")}), r"mkdir.* not run"),
    "old code": (lambda path: save_legacy(path, {"x": Call(os.mkdir, "ran")}), r"mkdir.* not run"),
    "bare pickle": (lambda path: path.write_bytes(pickle.dumps(Call(os.mkdir, "ran"), 2)), r"mkdir.* not run"),
    "a module": (lambda path: save_zip(path, build_tiny()), r"Sequential, which may be code"),
    "memory": (lambda path: save_zip(path, {"x": Call(bytearray, 10**13)}), "more than there is memory"),
    "header": (lambda path: write_header(path, 10**13, b"{" + bytes(90)), "header should have 10,000,000,000,000 b"),
    "terabytes": (lambda path: write_header(path, len(TERABYTES), TERABYTES, bytes(64)), "cannot be read"),
    "bomb": (write_bomb, "contents are compressed"),
    "cut": (cut, "cut short or damaged"),
    "repeated": (repeat, "repeats a few numbers 1,000,000,000,000 times"),
    "nested": (nest, "more than 100,000 tensors"),
    "long name": (lambda path: save_safe(path, {"a" * 9999: torch.zeros(1)}), "a name of 9,999 characters"),
    "dots": (lambda path: save_safe(path, {"a." * 50 + "w": torch.zeros(1)}), "a name of 101 characters"),
    "sparse": (lambda path: save_zip(path, {"0.weight": torch.eye(3).to_sparse()}), "sparse, quantised or without"),
    "no content": (lambda path: save_zip(path, {"a": torch.zeros(2, device="meta")}), "sparse, quantised or without"),
    "no names": (lambda path: save_zip(path, [torch.zeros(3)]), "no tensor that has a name"),
    "empty": (lambda path: path.touch(), "empty"),
    "text": (lambda path: path.write_text("<!DOCTYPE html>"), "neither safetensors nor of torch.save"),
    "pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "folder": (lambda path: path.mkdir(), "a folder, a device or a pipe"),
    "pipe": (os.mkfifo, "a folder, a device or a pipe"),
    "nothing": (lambda path: None, "no such file"),
}
