"""What becomes of a probe's answers: metrics/<probe>.json, predictions/<probe>.parquet and plots/<probe>/*.csv.

Predictions: a row an encoder and judged image (or pair), with a column a metric whose mean over the rows is the metric.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.evaluate.outcome import Outcome
from components.evaluate.statistics import Estimate
from components.stage.files import write_json

Outcomes = Mapping[str, Outcome]  # by encoder


def write_metrics(path: Path, outcomes: Outcomes) -> None:
    """{encoder: {metric: value, metric_low: ..., metric_high: ...}}; the ends stand where there is an interval."""
    write_json(path, {encoder: flat(outcome) for encoder, outcome in outcomes.items()})


def write_skipped(path: Path, encoders: list[str], reason: str) -> None:
    """{encoder: {"skipped": reason}}."""
    write_json(path, {encoder: {"skipped": reason} for encoder in encoders})


def flat(outcome: Outcome) -> dict[str, float]:
    """The metrics of one encoder as the file has them."""
    numbers: dict[str, float] = {}
    for name, found in outcome.metrics.items():
        if isinstance(found, Estimate):
            numbers |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        else:
            numbers[name] = found
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}


def write_predictions(path: Path, outcomes: Outcomes) -> None:
    """id, encoder, actual, predicted (null where nothing was), and the scores."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
            pa.nulls(count, one.type) if (column := columns.get(one.name)) is None else pa.array(column).cast(one.type)
            for one in schema
        ]
        tables.append(pa.table(arrays, schema=schema))
    pq.write_table(pa.concat_tables(tables), path)


def write_plots(folder: Path, outcomes: Outcomes, drawn: str) -> None:
    """One CSV a curve, a column an encoder, and the confusions of the encoder that is `drawn`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(name for outcome in outcomes.values() for name in outcome.curves)
    for name in names:
        curves = {encoder: outcome.curves[name] for encoder, outcome in outcomes.items() if name in outcome.curves}
        values = {
            encoder: dict(zip(curve.x.tolist(), curve.y.tolist(), strict=True)) for encoder, curve in curves.items()
        }
        places = sorted({x for of_encoder in values.values() for x in of_encoder})
        rows = [[x, *(of_encoder.get(x, "") for of_encoder in values.values())] for x in places]
        _write_csv(folder / f"{name}.csv", [next(iter(curves.values())).x_name, *values], rows)
    judged = outcomes.get(drawn)
    if judged is not None and judged.actual is not None and judged.predicted is not None:
        pairs = np.stack([judged.actual, judged.predicted], axis=1).tolist()
        _write_csv(folder / "confusion.csv", ["actual", "predicted"], pairs)


def _write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[round(v, 6) if isinstance(v, float) else v for v in row] for row in rows])
