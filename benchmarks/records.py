"""Where a measurement leaves what it found: benchmarks/results/NAME.json, with the machine and the command."""

import json
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parent / "results"


def write_record(name: str, found: dict[str, Any], *packages: str) -> Path:
    """Write it, after a line for whoever looks on; `packages` are those whose versions matter."""
    module = Path(sys.argv[0]).stem
    command = f"python -m benchmarks.{module} {shlex.join(hide_folders(sys.argv[1:]))}"
    record = {"command": command, "machine": describe_machine(*packages), **found}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {path}")
    return path


def deviation(values: list[float]) -> float | None:
    """Of the sample; one value has none."""
    return statistics.stdev(values) if len(values) > 1 else None


def hide_folders(arguments: list[str]) -> list[str]:
    """Absolute paths are nobody else's business."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in arguments]
