"""Measures what tells most about a GPU that is at hand for minutes, the most telling first, each in its own record.

`python -m benchmarks.slot --seconds 700 --data FOLDER` needs neither DVC nor Prefect; a part that needs another package
which is missing says so and the next one begins. FOLDER holds CIFAR-10 as torchvision keeps it, or packed (packed.py).
Every measurement has a time limit, is written when it is done, and ends when the slot does. `--scratch` keeps the
checkpoints of the candidates for the recipe, so that a later slot goes on with them, and the compiler's work.
"""

import argparse
import importlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

from benchmarks import cifar10
from benchmarks.records import RESULTS
from benchmarks.slot.given import Slot
from benchmarks.slot.record import PartRecord, explain_error, spell
from components.learning.device import choose_device, prepare_device
from components.pretrain.way import prepare_libraries
from components.stage.command import exit_on_error


class Part(NamedTuple):
    """The function that measures a part, imported only then, as it may need packages that are missing."""

    module: str
    function: str


PARTS = {
    "environment": Part("speed", "measure_environment"),
    "ceiling": Part("speed", "find_ceiling"),
    "step": Part("speed", "measure_step"),
    "lightly": Part("speed", "measure_lightly"),
    "small": Part("speed", "measure_small"),
    "recipe-first": Part("recipes", "train_first"),
    "variants": Part("variants", "measure_variants"),
    "stages": Part("stages", "run_stages"),
    "readings": Part("recipes", "measure_readings"),
    "recipes": Part("recipes", "train_others"),
}


def main() -> None:
    """Measure the parts until the time is spent, and print a table."""
    asked = parse_arguments()
    with exit_on_error("slot"):
        device = choose_device("auto", "device")
        slot = Slot(device, asked.data, asked.out, asked.scratch, asked.seconds, asked.tiny)
        if asked.scratch:
            prepare_libraries(slot.read_settings(), device, asked.scratch / "compiler")
        prepare_device(device, 1 if asked.tiny else 2)
        slot.test_part  # noqa: B018 (a wrong folder is told at once)
    backend = {"backend": "eager"} if asked.tiny else {}  # no kernels are built for tiny sizes
    done: list[PartRecord] = []
    with mock.patch("torch.compile", partial(torch.compile, **backend)):
        for number, name in enumerate(asked.only):
            done.append(PartRecord(slot, name))
            measure_part(done[-1])
            if done[-1].failed and is_broken(slot):
                begin_again(slot, asked.only[number + 1 :])
    print_table(done)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slot", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, required=True, help="until the slot ends")
    parser.add_argument("--data", type=Path, required=True, help=cifar10.ROOT_HELP)
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the records")
    parser.add_argument("--scratch", type=Path, help="a folder that survives, for checkpoints and the compiler")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[*PARTS], help=f"some of {','.join(PARTS)}"
    )
    parser.add_argument("--tiny", action="store_true", help="a dry run with sizes for a CPU")
    asked = parser.parse_args()
    if unknown := set(asked.only) - PARTS.keys():
        parser.error(f"--only: there is no part '{min(unknown)}'; there are {', '.join(PARTS)}")
    return asked


def measure_part(record: PartRecord) -> None:
    """Measure a part; where it cannot even begin, its record says why."""
    if record.slot.seconds_left <= 1:
        record.note("all", {"not_measured": "the slot's time is spent"})
        return
    try:
        part = PARTS[record.part]
        getattr(importlib.import_module(f"benchmarks.slot.{part.module}"), part.function)(record.slot, record)
    except Exception as error:
        record.note("all", explain_error(error))


def is_broken(slot: Slot) -> bool:
    """Whether the device answers no more in this process, as after an access to memory that is not there."""
    if slot.device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def begin_again(slot: Slot, parts: list[str]) -> None:
    """Let a new process take the place of this one for the parts that are left, if there are any."""
    if parts and slot.seconds_left > 1:
        print("the device answers no more in this process: a new one goes on", flush=True)
        again = ["--seconds", f"{slot.seconds_left:.0f}", "--only", ",".join(parts)]
        os.execv(
            sys.executable, [sys.executable, "-m", "benchmarks.slot", *sys.argv[1:], *again]
        )  # the last one counts


def print_table(done: list[PartRecord]) -> None:
    """Print all measurements."""
    print("\n| part | measurement | result |\n| --- | --- | --- |")
    for record in done:
        for name, numbers in record.measurements.items():
            print(f"| {record.part} | {name} | {spell(numbers)} |")


if __name__ == "__main__":
    main()
