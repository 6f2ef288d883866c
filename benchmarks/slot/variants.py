"""The part of a slot that measures variants of the step, each beside the step as it is, on views made beforehand.

A variant that a process can only be given when it starts runs in a process of its own (alone.py).
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from unittest import mock

import torch

from benchmarks.slot.given import Slot
from benchmarks.slot.process import run_module
from benchmarks.slot.record import NotMeasuredError, Numbers, PartRecord
from benchmarks.slot.timing import time_training
from components.learning.engine import Way

LIMIT = 150.0  # seconds of a variant, compiling included
Patch = Callable[[], AbstractContextManager[Any]]


def measure_variants(slot: Slot, record: PartRecord) -> None:
    """Measure every variant, the quickest to measure first."""
    if not slot.rates.get("step"):
        measure_variant(slot, record, "as it is")
    measure_variant(slot, record, "not compiled", way=Way(compiled=False, recorded=slot.way.recorded))
    measure_variant(slot, record, "twice the batch", batch_size=2 * slot.read_settings().batch_size)
    record.measure("deterministic", lambda: measure_alone(slot, "--deterministic"), limit=2 * LIMIT)
    record.measure("every algorithm of cuDNN", lambda: try_every_algorithm(slot), limit=2 * LIMIT)
    autotuned = partial(torch.compile, mode="max-autotune-no-cudagraphs")
    measure_variant(slot, record, "max-autotune", lambda: mock.patch("torch.compile", autotuned))


def measure_variant(
    slot: Slot, record: PartRecord, name: str, patch: Patch = nullcontext, *, way: Way | None = None, **changes: Any
) -> None:
    """Measure the step with something else in place, or with other settings, or in another way."""

    def time_variant() -> Numbers:
        with patch():
            return compare(slot, time_training(slot, slot.read_settings(**changes), "step", way=way))

    numbers = record.measure(name, time_variant, limit=LIMIT)
    if name == "as it is":
        slot.rates["step"] = numbers.get("images_per_second", 0.0)


def measure_alone(slot: Slot, flag: str) -> Numbers:
    """Measure a variant in a process of its own, which prints its numbers in its last line."""
    tiny = ["--tiny"] if slot.tiny else []
    output = run_module("benchmarks.slot.alone", "--data", str(slot.data), flag, *tiny)
    numbers: Numbers = json.loads(output.splitlines()[-1])
    return compare(slot, numbers)


def try_every_algorithm(slot: Slot) -> Numbers:
    """Measure the step with the quickest of all algorithms of cuDNN, which by itself tries its first ten."""
    if slot.device.type != "cuda":
        raise NotMeasuredError("cuDNN needs CUDA")
    return measure_alone(slot, "--every-algorithm")


def compare(slot: Slot, numbers: Numbers) -> Numbers:
    """Add how many times as fast as the step as it is the variant is."""
    rate = slot.rates.get("step")
    return {**numbers, "beside_the_step": numbers["images_per_second"] / rate} if rate else numbers
