"""What differs between two runs A and B, metric by metric, with a verdict where both judged the same images.

A metrics file of an evaluation is {encoder: {metric: value, metric_low: ..., metric_high: ...}}, or {encoder:
{"skipped": reason}}. A score in its predictions has the metric's name, and the mean of the scores over an encoder's
rows is the metric. Any other metrics file, as of a stage that predicts nothing, holds numbers about the run, of which
only those that changed are given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.compare import paired
from pipelines.compare.paired import Paired
from pipelines.compare.revisions import Revision
from pipelines.train.summary import is_by_encoder, list_interval_keys

OURS = "byol"  # the encoder that is always shown; baselines are shown only if they changed
START = "start"  # what its training began with, in runs that did not begin at random
NO_TEST, NOT_PAIRED = "no test", "not compared in pairs"


@dataclass(frozen=True)
class Row:
    """One metric in both runs; a value is None if the run has no such metric."""

    metric: str
    a: float | None
    b: float | None
    paired: Paired | None
    verdict: str

    @property
    def same(self) -> bool:
        """Whether the metric did not change on any image."""
        return self.a == self.b and (self.paired is None or self.paired.low == self.paired.high == 0)


@dataclass(frozen=True)
class ProbeComparison:
    """One probe's numbers for one encoder in both runs, or for two encoders in one run."""

    probe: str
    encoder: str
    rows: list[Row]
    remarks: list[str]  # about the images, and why there is nothing to compare
    names: tuple[str, str, str] = ("A", "B", "B - A")  # of what is compared, and of the difference

    @property
    def same(self) -> bool:
        """Whether no metric changed on any image."""
        return not self.remarks and all(row.same for row in self.rows)


@dataclass(frozen=True)
class Pairs:
    """The predictions of one encoder, row by row the same image in both runs, or remarks that say why there is none."""

    a: pa.Table | None
    b: pa.Table | None
    remarks: list[str]


def compare_probes(a: Revision, b: Revision) -> list[ProbeComparison]:
    """Compare every probe of either run, for our encoder and for those whose numbers changed."""
    comparisons: list[ProbeComparison] = []
    for file in list_metrics_files(a, b):
        in_a, in_b = (revision.metrics.get(file) or {} for revision in (a, b))
        if is_of_probe(file, a, b):
            encoders = dict.fromkeys([*in_a, *in_b])
            comparisons += [
                compare_encoder(file, encoder, a, b)
                for encoder in encoders
                if encoder == OURS or have_changed(in_a.get(encoder, {}), in_b.get(encoder, {}))
            ]
            for name, revision in (("A", a), ("B", b)):
                comparisons += compare_with_start(file, name, revision)
    return comparisons


def list_metrics_files(a: Revision, b: Revision) -> list[str]:
    """List the metrics files that either run has."""
    return sorted(a.metrics.keys() | b.metrics.keys())


def is_of_probe(file: str, a: Revision, b: Revision) -> bool:
    """Whether a metrics file has an evaluation's layout, and its stage predicts something for images."""
    contents = [revision.metrics[file] for revision in (a, b) if revision.metrics.get(file)]
    predicts = file in a.predictions or file in b.predictions
    return bool(contents) and predicts and all(map(is_by_encoder, contents))


def have_changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether a number that both mappings have differs."""
    return any(a[key] != b[key] for key in a.keys() & b.keys())


def compare_encoder(file: str, encoder: str, a: Revision, b: Revision) -> ProbeComparison:
    """Compare the metrics of one encoder in both runs."""
    in_a, in_b = (revision.metrics.get(file, {}).get(encoder, {}) for revision in (a, b))
    remarks = [
        f"{name}: skipped: {metrics['skipped']}" if metrics else f"{name}: not measured"
        for name, metrics in (("A", in_a), ("B", in_b))
        if not metrics or "skipped" in metrics
    ]
    pairs = Pairs(None, None, remarks)
    if not remarks:
        pairs = pair_predictions(a.predictions.get(file), b.predictions.get(file), encoder)
    interval_keys = list_interval_keys(in_a) | list_interval_keys(in_b)
    names = [key for key in {**in_a, **in_b} if key != "skipped" and key not in interval_keys]
    rows = [compare_metric(name, in_a.get(name), in_b.get(name), pairs) for name in names]
    return ProbeComparison(Path(file).stem, encoder, rows, pairs.remarks)


def compare_with_start(file: str, name: str, revision: Revision) -> list[ProbeComparison]:
    """Compare our encoder with what its training began with, in one run; nothing where that was drawn at random."""
    before, after = (revision.metrics.get(file, {}).get(encoder, {}) for encoder in (START, OURS))
    if not before or "skipped" in before:
        return []
    interval_keys = list_interval_keys(before) | list_interval_keys(after)
    names = [key for key in {**before, **after} if key not in interval_keys]
    predictions = revision.predictions.get(file)
    pairs = Pairs(None, None, []) if predictions is None else pair_encoders(predictions, START, OURS)
    rows = [compare_metric(key, before.get(key), after.get(key), pairs) for key in names]
    return [ProbeComparison(Path(file).stem, f"{OURS} beside its {START} in {name}", rows, [], (START, OURS, "added"))]


def pair_encoders(predictions: pa.Table, a: str, b: str) -> Pairs:
    """Select the rows of two encoders that one run judged on the same images."""
    tables = [predictions.filter(pc.field("encoder") == encoder) for encoder in (a, b)]
    in_a, in_b = paired.find_shared(*(table["id"].to_pylist() for table in tables))
    return Pairs(tables[0].take(in_a), tables[1].take(in_b), [])


def compare_metric(metric: str, a: float | None, b: float | None, pairs: Pairs) -> Row:
    """Compare one metric, image by image if possible."""
    if a is None or b is None:
        return Row(metric, a, b, None, "only in A" if b is None else "only in B")
    if pairs.a is None or pairs.b is None:
        return Row(metric, a, b, None, NOT_PAIRED)
    scores = [read_scores(table, metric) for table in (pairs.a, pairs.b)]  # (N,) each
    is_judged = np.isfinite(scores).all(axis=0)
    if not is_judged.any():
        return Row(metric, a, b, None, NO_TEST)
    comparison = paired.compare_scores(*(run_scores[is_judged] for run_scores in scores))
    return Row(metric, a, b, comparison, comparison.verdict)


def read_scores(table: pa.Table, metric: str) -> np.ndarray:
    """Read a metric's scores (N,), one per image; NaN where there is none."""
    if metric not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[metric].to_numpy(), dtype=np.float64)


def pair_predictions(a: pa.Table | None, b: pa.Table | None, encoder: str) -> Pairs:
    """Select the rows of the images that both runs judged, and remark on the other images."""
    of_encoder = [None if table is None else table.filter(pc.field("encoder") == encoder) for table in (a, b)]
    table_a, table_b = (None if table is None or table.num_rows == 0 else table for table in of_encoder)
    if a is not None and b is not None and table_a is None and table_b is None:
        return Pairs(a.schema.empty_table(), b.schema.empty_table(), [])  # the probe does not judge single images
    if table_a is None or table_b is None:
        lacking = [name for name, table in (("A", table_a), ("B", table_b)) if table is None]
        return Pairs(None, None, [f"no per-image predictions in {' and '.join(lacking)}"])
    in_a, in_b = paired.find_shared(table_a["id"].to_pylist(), table_b["id"].to_pylist())
    only_a, only_b = table_a.num_rows - len(in_a), table_b.num_rows - len(in_b)
    if not len(in_a):
        return Pairs(None, None, [f"no image was judged by both: {only_a} only by A, {only_b} only by B"])
    remarks = []
    if only_a or only_b:
        remarks.append(
            f"{len(in_a)} images judged by both, {only_a} only by A, {only_b} only by B: B - A is of the first"
        )
    both_a, both_b = table_a.take(in_a), table_b.take(in_b)
    if relabelled := pc.sum(pc.not_equal(both_a["actual"], both_b["actual"])).as_py():
        remarks.append(f"{relabelled} of the images judged by both have another class number in B")
    return Pairs(both_a, both_b, remarks)


def compare_runs(a: Revision, b: Revision) -> list[tuple[str, float | None, float | None]]:
    """List the numbers about the run that changed: name, A and B; None where a run lacks the number."""
    rows: list[tuple[str, float | None, float | None]] = []
    for file in list_metrics_files(a, b):
        if not is_of_probe(file, a, b):
            in_a, in_b = (flatten_numbers(revision.metrics.get(file)) for revision in (a, b))
            keys = [key for key in {**in_a, **in_b} if in_a.get(key) != in_b.get(key)]
            rows += [(f"{Path(file).stem}: {key}", in_a.get(key), in_b.get(key)) for key in keys]
    return rows


def flatten_numbers(content: Any, above: str = "") -> dict[str, float]:
    """Flatten nested mappings to their numbers, by the keys that lead to them; lists and intervals are left out."""
    if isinstance(content, (int, float)):
        return {above: content}
    numbers: dict[str, float] = {}
    if isinstance(content, dict):
        interval_keys = list_interval_keys(content)
        for key, value in content.items():
            if key not in interval_keys:
                numbers |= flatten_numbers(value, f"{above} {key}".strip())
    return numbers
