"""What every part of a slot is given: the device, the images, the settings, and what earlier parts have found."""

import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks import cifar10
from benchmarks.course import Images
from components.byol.params import Head
from components.encoder.params import TinyResNet
from components.learning.engine import Way
from components.pretrain.params import Pretrain
from components.pretrain.way import find_compiler_fault


@dataclass
class Slot:
    """A device for some minutes. `tiny` makes all sizes so small that a CPU is done in a minute."""

    device: torch.device
    data: Path
    out: Path
    scratch: Path | None
    seconds: float
    tiny: bool
    began: float = field(default_factory=time.monotonic)
    rates: dict[str, float] = field(default_factory=dict)  # images per second, by what was measured

    @property
    def seconds_left(self) -> float:
        """The seconds until the slot ends."""
        return self.began + self.seconds - time.monotonic()

    @property
    def steps(self) -> int:
        """The steps in a row that is timed."""
        return 2 if self.tiny else 100

    @cached_property
    def way(self) -> Way:
        """The quickest way that this machine allows."""
        return Way(compiled=self.tiny or not find_compiler_fault(), recorded=self.device.type == "cuda")

    @cached_property
    def trained(self) -> Images:
        """The train images of CIFAR-10 and their labels; the first few if all is tiny."""
        images, labels = cifar10.read_cifar10(self.data, test=False)
        return (images[:64], labels[:64]) if self.tiny else (images, labels)

    @cached_property
    def test_part(self) -> Images:
        """The test images of CIFAR-10 and their labels; the first few if all is tiny."""
        images, labels = cifar10.read_cifar10(self.data, test=True)
        return (images[:32], labels[:32]) if self.tiny else (images, labels)

    def read_settings(self, **changes: Any) -> Pretrain:
        """Return the settings of the preset for CIFAR-10 with some changed values."""
        return self.fit(cifar10.read_settings()).model_copy(update=changes)

    def fit(self, params: Pretrain) -> Pretrain:
        """Return the settings as they are, or the same with a narrow network and few images if all is tiny."""
        if not self.tiny:
            return params
        few = {"every_epochs": 1, "sample": 8, "knn_queries": 16, "knn_bank": 32, "knn_k": 5}
        network = TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=1)
        small = {"encoder": network, "head": Head(hidden=16, out=8), "batch_size": 8, "threads": 1, "epochs": 1}
        return params.model_copy(update={**small, "watch": params.watch.model_copy(update=few)})

    def locate_record(self, name: str) -> Path:
        """Return the file of a record, which is named after the card."""
        return self.out / f"slot-{name}-{name_card(self.device)}{'-tiny' if self.tiny else ''}.json"


def name_card(device: torch.device) -> str:
    """Return the short name of the card, such as h100, or cpu."""
    return shorten_name(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type


def shorten_name(name: str) -> str:
    """Return the first word that holds a number, up to its first hyphen, in small letters."""
    found = re.search(r"[A-Za-z]*\d+[A-Za-z]*", name)
    return (found.group() if found else name.replace(" ", "-")).lower()
