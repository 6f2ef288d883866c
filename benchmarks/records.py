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
    module = Path(sys.argv[0]).stem
    command = f"python -m benchmarks.{module} {shlex.join(hide_folders(sys.argv[1:]))}"
    record = {"command": command, "machine": describe_machine(*packages), **results}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {path}")
    return path


def deviation(values: list[float]) -> float | None:
    """Return the sample standard deviation; a single value has none."""
    return statistics.stdev(values) if len(values) > 1 else None


def hide_folders(arguments: list[str]) -> list[str]:
    """Shorten absolute paths to their last part, so that a record names no folder of the machine."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in arguments]
