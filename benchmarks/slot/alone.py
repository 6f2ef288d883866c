"""Measures a variant of the step that a process can only be given when it starts; prints its numbers as JSON.

`python -m benchmarks.slot.alone --data FOLDER --deterministic` asks for the same bits in every run, measures the price,
and trains twice from one seed. `--every-algorithm` lets cuDNN try all that it has: it remembers what it chose before.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from unittest import mock

import torch

from benchmarks.slot.given import Slot
from benchmarks.slot.timing import compare_bits, time_training
from components.learning.device import choose_device, prepare_device
from components.pretrain.way import prepare_libraries


def main() -> None:
    """Measure and print the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slot.alone", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--every-algorithm", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    slot = Slot(choose_device("auto", "device"), asked.data, Path(), None, 0.0, asked.tiny)
    params = slot.read_settings(deterministic=asked.deterministic)
    prepare_libraries(params, slot.device, Path("scratch") / "compiler")
    prepare_device(slot.device, params.threads, deterministic=asked.deterministic)
    if asked.every_algorithm:
        torch.backends.cudnn.benchmark_limit = 0
    backend = {"backend": "eager"} if asked.tiny else {}
    with mock.patch("torch.compile", partial(torch.compile, **backend)):
        numbers = time_training(slot, params, "step")
        if asked.deterministic:
            numbers |= compare_bits(slot, params)
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
