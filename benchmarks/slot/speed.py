"""The parts of a slot that tell how fast the device is, and how fast the steps of a training are on it."""

import importlib.util
import os
import shutil
import subprocess

import torch

from benchmarks.ceiling import measure_ceiling
from benchmarks.rows import measure_product_rate, time_row
from benchmarks.slot.given import Slot
from benchmarks.slot.record import NotMeasuredError, Numbers, PartRecord
from benchmarks.slot.timing import Part, time_training
from components.learning.engine import Way
from components.pretrain.way import find_compiler_fault
from components.stage.command import PARAMS_FILE, read_params

COPIED = 2**29  # bytes


def measure_environment(slot: Slot, record: PartRecord) -> None:
    """Describe the machine; measure how fast it multiplies and copies."""
    record.measure("machine", lambda: describe_machine(slot), limit=30)
    record.measure("product of large matrices", lambda: time_product(slot), limit=30)
    record.measure("copy", lambda: time_copy(slot), limit=30)


def describe_machine(slot: Slot) -> Numbers:
    """Return what decides the speed of everything that follows."""
    facts: Numbers = {"device": str(slot.device), "cores": os.cpu_count(), "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    facts["compiler_fault"] = find_compiler_fault()
    if slot.device.type == "cuda":
        card = torch.cuda.get_device_properties(slot.device)
        facts |= {"card": card.name, "memory_bytes": card.total_memory, "processors": card.multi_processor_count}
        facts |= {"cuda": torch.version.cuda, "driver": find_driver()}
    return facts


def find_driver() -> str | None:
    """Return the version of NVIDIA's driver, if its own tool tells."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return lines[0] if lines else None


def time_product(slot: Slot) -> Numbers:
    """Return the operations per second of a large product in bfloat16."""
    seconds = 0.01 if slot.tiny else 2.0
    return {"bfloat16_teraflops": measure_product_rate(slot.device, torch.bfloat16, seconds=seconds) / 1e12}


def time_copy(slot: Slot) -> Numbers:
    """Return the bytes per second that are read and written when memory is copied."""
    size = COPIED // 64 if slot.tiny else COPIED
    source, target = (torch.zeros(size, device=slot.device, dtype=torch.uint8) for _ in range(2))
    time_row(lambda: target.copy_(source), slot.device, 3)
    return {"terabytes_per_second": 2 * size / time_row(lambda: target.copy_(source), slot.device, 10) / 1e12}


def find_ceiling(slot: Slot, record: PartRecord) -> None:
    """Measure the convolutions alone."""
    numbers = record.measure(
        "convolutions", lambda: measure_ceiling(slot.read_settings(), slot.device, slot.steps), limit=60
    )
    slot.rates["ceiling"] = numbers.get("images_per_second", 0.0)


def measure_step(slot: Slot, record: PartRecord) -> None:
    """Measure the step on views made beforehand, and the whole step with its views."""
    for part in ("step", "whole step"):
        numbers = record.measure(part, lambda part=part: time_part(slot, part), limit=180)  # type: ignore[misc]
        slot.rates[part] = numbers.get("images_per_second", 0.0)


def time_part(slot: Slot, part: Part) -> Numbers:
    """Return the rate of a part of the training, and its share of the convolutions' if that is known."""
    numbers, ceiling = time_training(slot, slot.read_settings(), part), slot.rates.get("ceiling")
    return {**numbers, "share_of_ceiling": numbers["images_per_second"] / ceiling} if ceiling else numbers


def measure_lightly(slot: Slot, record: PartRecord) -> None:
    """Measure the step and the loop of lightly with the same network, heads and batch, tuned."""
    record.measure("tuned", lambda: time_lightly(slot), limit=200)


def time_lightly(slot: Slot) -> Numbers:
    """Return the rates of lightly's step and loop, and how many times as fast ours are."""
    if importlib.util.find_spec("lightly") is None:
        raise NotMeasuredError("lightly is missing; `make peers` installs it")
    from benchmarks.throughput import start_lightly

    params, workers = slot.read_settings(), 0 if slot.tiny else min(16, os.cpu_count() or 1)
    program = start_lightly(params, slot.trained[0], slot.device, workers, half=True, tuned=True)
    numbers: Numbers = {"workers": workers, "batch": params.batch_size}
    for part, ours in (("step", "step"), ("loop", "whole step")):
        work = getattr(program, part)
        work(3)
        seconds = time_row(lambda work=work: work(slot.steps), slot.device, 1) / slot.steps  # type: ignore[misc]
        numbers[f"{part}_images_per_second"] = params.batch_size / seconds
        if slot.rates.get(ours):
            numbers[f"{part}_ours_beside_it"] = slot.rates[ours] * seconds / params.batch_size
    return numbers


def measure_small(slot: Slot, record: PartRecord) -> None:
    """Measure the digits' network with the settings of params.yaml, plain and recorded, on random images."""
    params = read_params(PARAMS_FILE).pretrain
    side, channels = params.images.side, params.images.channels
    images = torch.randint(0, 256, (8 * params.batch_size, channels, side, side), dtype=torch.uint8)
    rates = {}
    for name, recorded in (("plain", False), ("recorded", True)):
        way = Way(compiled=False, recorded=recorded)

        def time_digits(way: Way = way) -> Numbers:
            if way.recorded and slot.device.type != "cuda":
                raise NotMeasuredError("a step is recorded on CUDA alone")
            return time_training(slot, params, "whole step", images=images, way=way)

        rates[name] = record.measure(name, time_digits, limit=60).get("images_per_second")
    if rates["plain"] and rates["recorded"]:
        record.note("recorded beside plain", {"ratio": rates["recorded"] / rates["plain"]})
