"""Writes a probe's outcomes: metrics/<probe>.json, predictions/<probe>.parquet and plots/<probe>/*.csv.

The predictions have a row per encoder and judged image (or pair), and a column per metric that is a mean over the rows.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.evaluate.outcome import Outcome
from components.features.encoders import START
from components.features.judging.statistics import Estimate
from components.stage.disk import name_faults, write_beside
from components.stage.files import write_json
from components.store.sealed import write_sealed

Outcomes = Mapping[str, Outcome]  # by encoder
LEFT_OUT = "left_out.csv"


def write_metrics(path: Path, outcomes: Outcomes) -> None:
    """Write {encoder: {metric: value, metric_low: ..., metric_high: ...}}; only an Estimate has the two ends."""
    write_json(path, {encoder: flatten_metrics(outcome) for encoder, outcome in outcomes.items()})


def write_skipped(path: Path, encoders: list[str], reason: str) -> None:
    """Write {encoder: {"skipped": reason}} for a probe that had nothing to measure."""
    write_json(path, {encoder: {"skipped": reason} for encoder in encoders})


def flatten_metrics(outcome: Outcome) -> dict[str, float]:
    """Return the metrics of one encoder as metrics/<probe>.json has them, with six significant digits."""
    numbers: dict[str, float] = {}
    for name, metric in outcome.metrics.items():
        if isinstance(metric, Estimate):
            numbers |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
        else:
            numbers[name] = metric
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}


def write_predictions(path: Path, outcomes: Outcomes) -> None:
    """Write id, encoder, actual and predicted class (null if there is none), and the scores."""
    scored = dict.fromkeys(name for outcome in outcomes.values() for name in outcome.scores)
    schema = pa.schema(
        [("id", pa.string()), ("encoder", pa.string()), ("actual", pa.int64()), ("predicted", pa.int64())]
        + [(name, pa.float32()) for name in scored]
    )
    tables = [schema.empty_table()]
    for encoder, outcome in outcomes.items():
        count = len(outcome.ids)
        columns = {"id": outcome.ids.astype(str), "encoder": [encoder] * count}
        columns |= {"actual": outcome.actual, "predicted": outcome.predicted, **outcome.scores}
        arrays = [
            pa.nulls(count, field.type)
            if (column := columns.get(field.name)) is None
            else pa.array(column).cast(field.type)
            for field in schema
        ]
        tables.append(pa.table(arrays, schema=schema))
    write_sealed(path, pa.concat_tables(tables))


def merge_left_out(outcomes: Outcomes) -> dict[str, str]:
    """Return why metrics were left out, whatever the encoder."""
    return {metric: reason for outcome in outcomes.values() for metric, reason in outcome.left_out.items()}


def write_plots(folder: Path, outcomes: Outcomes, drawn: str) -> None:
    """Write a CSV per curve with a column per encoder, confusion.csv of the encoder that is `drawn`, and left_out.csv,
    which says why a metric that params.yaml asks for was not measured, if there is one.

    The curve of the start has a second file, without a row where there is no start: `dvc plots` draws nothing of a file
    that lacks a column which dvc.yaml names, and nothing but an error of a file that is not there.
    """
    with name_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.csv"):  # of a run that measured more, or left out more
            old.unlink()
    if left_out := merge_left_out(outcomes):
        _write_csv(folder / LEFT_OUT, ["metric", "reason"], [list(row) for row in left_out.items()])
    names = dict.fromkeys(name for outcome in outcomes.values() for name in outcome.curves)
    for name in names:
        curves = {encoder: outcome.curves[name] for encoder, outcome in outcomes.items() if name in outcome.curves}
        values = {
            encoder: dict(zip(curve.x.tolist(), curve.y.tolist(), strict=True)) for encoder, curve in curves.items()
        }
        places = sorted({x for of_encoder in values.values() for x in of_encoder})
        rows = [[x, *(of_encoder.get(x, "") for of_encoder in values.values())] for x in places]
        x_name = next(iter(curves.values())).x_name
        _write_csv(folder / f"{name}.csv", [x_name, *values], rows)
        _write_csv(folder / f"{name}_start.csv", [x_name, START], [[*row] for row in values.get(START, {}).items()])
    judged = outcomes.get(drawn)
    if judged is not None and judged.actual is not None and judged.predicted is not None:
        pairs = np.stack([judged.actual, judged.predicted], axis=1).tolist()
        _write_csv(folder / "confusion.csv", ["actual", "predicted"], pairs)


def _write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with write_beside(path) as new, new.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[round(v, 6) if isinstance(v, float) else v for v in row] for row in rows])
