"""Times rows of steps of a training, with what its first step takes and the memory that it needs."""

import gc
from typing import Literal

import torch
from torch import Tensor

from benchmarks.rows import time_row
from benchmarks.slot.given import Slot
from benchmarks.slot.record import Numbers
from benchmarks.trainings import SETTLED, Training
from components.learning.engine import Way
from components.pretrain.params import Pretrain

Part = Literal["step", "whole step"]  # on views made beforehand, or with its views


def time_training(
    slot: Slot, params: Pretrain, part: Part, *, images: Tensor | None = None, way: Way | None = None
) -> Numbers:
    """Return the images per second of a row of steps, the seconds of the first one, and the peak memory.

    The images are CIFAR-10's and the way is the quickest one here, unless others are given.
    """
    free_memory()
    training = Training(params, slot.trained[0] if images is None else images, slot.device, way or slot.way)
    step = training.prepare_step() if part == "step" else training.prepare_whole_step()
    first = time_row(step, slot.device, 1)
    time_row(step, slot.device, SETTLED[slot.device.type])
    seconds = time_row(step, slot.device, slot.steps)
    numbers = {
        "images_per_second": params.batch_size / seconds,
        "milliseconds_per_step": 1000 * seconds,
        "first_step_seconds": first,  # with compiling
        "batch": params.batch_size,
    }
    if slot.device.type == "cuda":
        numbers["peak_memory_bytes"] = torch.cuda.max_memory_allocated(slot.device)
    return numbers


def compare_bits(slot: Slot, params: Pretrain) -> Numbers:
    """Train some steps twice from one seed, and return whether both have the same weights, bit for bit."""
    weights = []
    for _ in range(2):
        free_memory()
        torch.compiler.reset()
        training = Training(params, slot.trained[0], slot.device, slot.way)
        step = training.prepare_whole_step()
        for _ in range(SETTLED[slot.device.type] + slot.steps):
            step()
        weights.append([value.detach().cpu().clone() for value in training.state.objective.state_dict().values()])
    same = all(torch.equal(first, second) for first, second in zip(*weights, strict=True))
    return {"same_bits": same, "steps": SETTLED[slot.device.type] + slot.steps}


def free_memory() -> None:
    """Give back what the last measurement held, and count the peak anew."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
