"""Lets a served checkout live through many nights, and measures what grows: disk, memory, files, threads and seconds.

`python -m benchmarks.soak --nights 200` serves tests/pipelines/retrain/nights.py's tiny project, whose stages take a
moment each, by the real `python -m pipelines.retrain --serve` with its Prefect server. Ten nights are a cycle:
promoted, nothing new, waiting, its source down, killed, taken up again and rejected, nothing new, poisoned and
rejected, nothing new, waiting. After each cycle `python -m pipelines.registry prune` removes old data, and a roll-back
makes room for the next promotion. All times in Prefect's database are put back by a day per night, so that its
retention acts as in real nights. Written to results/soak.json and, night by night, to results/soak.csv; both hold at
any time the nights that have been.
"""

import argparse
import csv
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.records import RESULTS, replace_record
from benchmarks.soaked import Soaked

KEEP = 3  # versions that `prune` leaves
CYCLE = (
    *("promoted", "nothing new", "waiting", "down", "killed"),
    *("rejected", "nothing new", "poisoned", "nothing new", "waiting"),
)
STATES = {  # what Prefect calls each at its end
    "promoted": ("Promoted",),
    "nothing new": ("Nothing new",),
    "waiting": ("Waiting",),
    "down": ("Failed",),
    "killed": ("Crashed",),
    "rejected": ("Rejected",),
    "poisoned": ("Rejected",),
}
WARM_UP = 20  # nights that no fit counts: caches fill in them
SECONDS = ("seconds", "cpu_seconds")


def main() -> None:
    """Soak and write the records; exit with status 1 where a night did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--nights", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no night after so many")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the served processes end, too
    rows: list[dict[str, Any]] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Soaked(Path(folder)) as soaked:
        for number in range(arguments.nights):
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            rows.append(live_night(soaked, number))
            write_rows(rows)
            summary = {"asked_for": arguments.nights, "kept_versions": KEEP, **summarise(rows)}
            replace_record(RESULTS / "soak.json", summary, "dvc", "prefect", "gto", "filelock")
    sys.exit(not all(row["right"] for row in rows))


def live_night(soaked: Soaked, number: int) -> dict[str, Any]:
    """Live through one night, and what follows it by day; return what was measured."""
    kind = CYCLE[number % len(CYCLE)]
    soaked.set_scene(kind, number // len(CYCLE))
    night = soaked.retrain(kind == "killed")
    row = {"night": number, "kind": kind, "right": night["state"] in STATES[kind], **night, "load": os.getloadavg()[0]}
    if number % len(CYCLE) == len(CYCLE) - 1:
        row |= soaked.end_cycle(KEEP)
    row |= soaked.measure()
    soaked.turn_back_clock()
    print(number, kind, night["state"], f"{night['seconds']:.0f} s", flush=True)
    return row


def write_rows(rows: list[dict[str, Any]]) -> None:
    """Write one line per night."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (RESULTS / "soak.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often each night was, and how everything changed with the nights, fitted by a line."""
    late = [row for row in rows if row["night"] >= WARM_UP]
    kinds = sorted({row["kind"] for row in late} - {"killed"})
    drifts = {
        f"{name} of a night: {kind}": fit([row for row in late if row["kind"] == kind], name)
        for name in SECONDS
        for kind in kinds
    }
    named = [name for name in (rows[-1] if rows else {}) if name.startswith(("mb_", "count_"))]
    after_prune = [row for row in late if row["night"] % len(CYCLE) == len(CYCLE) - 1]
    grown = {name: fit(after_prune if name.startswith("mb_disk") else late, name) for name in named}
    return {
        "nights": len(rows),
        "kinds": dict(Counter(row["kind"] for row in rows)),
        "wrong": [
            f"night {row['night']}: {row['kind']} became {row['state']}, {row['said']}"
            for row in rows
            if not row["right"]
        ],
        "hours": sum(row["seconds"] for row in rows) / 3600,
        "time": {name: line for name, line in drifts.items() if line},
        "growth": {name: line for name, line in grown.items() if line},
    }


def fit(rows: list[dict[str, Any]], name: str) -> dict[str, float] | None:
    """Fit a line: the mean, the change in 100 nights and the ends of its 95 % interval; None with too few nights."""
    points = [(row["night"], row[name]) for row in rows if row.get(name) is not None]
    if len(points) < 4:
        return None
    nights, values = np.array(points, dtype=float).T
    line = stats.linregress(nights, values)
    half = stats.t.ppf(0.975, len(points) - 2) * line.stderr
    return {
        "nights": len(points),
        "mean": round(float(values.mean()), 3),
        "first": round(float(values[0]), 3),
        "last": round(float(values[-1]), 3),
        "per_100_nights": round(100 * line.slope, 3),
        "low": round(100 * (line.slope - half), 3),
        "high": round(100 * (line.slope + half), 3),
    }


if __name__ == "__main__":
    main()
