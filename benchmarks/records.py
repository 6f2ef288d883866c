"""Writes the record of a measurement: benchmarks/results/NAME.json, with the machine and the command."""

import json
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parent / "results"


def write_record(name: str, results: dict[str, Any], *packages: str) -> Path:
    """Write the record and print its path; `packages` are those whose versions matter."""
    path = RESULTS / f"{name}.json"
    replace_record(path, results, *packages)
    print(f"written to {path}")
    return path


def replace_record(path: Path, results: dict[str, Any], *packages: str) -> None:
    """Write the record to a file, which is at no moment half written."""
    write_json(path, {"command": describe_command(), "machine": describe_machine(*packages), **results})


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record as it is, to a file which is at no moment half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(record, indent=2) + "\n")
    beside.replace(path)


def describe_command() -> str:
    """Return the command line of this process, without the folders of the machine."""
    program = Path(sys.argv[0])
    module = program.parent.name if program.stem == "__main__" else program.stem
    return shlex.join(["python", "-m", f"benchmarks.{module}", *hide_folders(sys.argv[1:])])


def deviation(values: list[float]) -> float | None:
    """Return the sample standard deviation; a single value has none."""
    return statistics.stdev(values) if len(values) > 1 else None


def hide_folders(arguments: list[str]) -> list[str]:
    """Shorten absolute paths to their last part, so that a record names no folder of the machine."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in arguments]
