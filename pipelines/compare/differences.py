"""What differs between two runs A and B, metric by metric, with a verdict where both judged the same images.

A metrics file of an evaluation is {encoder: {metric: value, metric_low: ..., metric_high: ...}}, or {encoder:
{"skipped": reason}}; a score of its predictions has the metric's name, and its mean over an encoder's rows is the
metric. Any other metrics file is numbers about the run, of which only those that changed are given.
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
from pipelines.train.summary import ends, is_by_encoder

OURS = "byol"  # the encoder that is always shown; the baselines only where they changed
NO_TEST, NOT_PAIRED = "no test", "not compared in pairs"


@dataclass(frozen=True)
class Row:
    """One metric in both runs; None where a run has no such metric."""

    metric: str
    a: float | None
    b: float | None
    paired: Paired | None
    verdict: str

    @property
    def same(self) -> bool:
        """Whether it did not move, on no image."""
        return self.a == self.b and (self.paired is None or self.paired.low == self.paired.high == 0)


@dataclass(frozen=True)
class Judged:
    """One encoder by one probe in both runs."""

    probe: str
    encoder: str
    rows: list[Row]
    remarks: list[str]  # on the images, and why there is nothing to compare

    @property
    def same(self) -> bool:
        """Whether nothing moved, on no image."""
        return not self.remarks and all(row.same for row in self.rows)


@dataclass(frozen=True)
class Pairs:
    """The predictions of one encoder, row by row the same image in both runs; or why there are none."""

    a: pa.Table | None
    b: pa.Table | None
    remarks: list[str]


def by_probe(a: Revision, b: Revision) -> list[Judged]:
    """Every probe of either run, and of each our encoder and those whose numbers changed."""
    found: list[Judged] = []
    for file in files(a, b):
        in_a, in_b = (one.metrics.get(file) or {} for one in (a, b))
        if is_by_encoder(in_a or in_b) and is_by_encoder(in_b or in_a):
            encoders = dict.fromkeys([*in_a, *in_b])
            moved = [one for one in encoders if one == OURS or changed(in_a.get(one, {}), in_b.get(one, {}))]
            found += [judge(file, encoder, a, b) for encoder in moved]
    return found


def files(a: Revision, b: Revision) -> list[str]:
    """The metrics files of both."""
    return sorted(a.metrics.keys() | b.metrics.keys())


def changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether a number that both have is another."""
    return any(a[key] != b[key] for key in a.keys() & b.keys())


def judge(file: str, encoder: str, a: Revision, b: Revision) -> Judged:
    """The rows of one encoder."""
    in_a, in_b = (one.metrics.get(file, {}).get(encoder, {}) for one in (a, b))
    remarks = [
        f"{name}: {reason}"
        for name, found in (("A", in_a), ("B", in_b))
        if (reason := "not measured" if not found else f"skipped: {found['skipped']}" if "skipped" in found else "")
    ]
    pairs = Pairs(None, None, remarks)
    if not remarks:
        pairs = pair(a.predictions.get(file), b.predictions.get(file), encoder)
    names = [key for key in {**in_a, **in_b} if key != "skipped" and key not in ends(in_a) | ends(in_b)]
    rows = [row(name, in_a.get(name), in_b.get(name), pairs) for name in names]
    return Judged(Path(file).stem, encoder, rows, pairs.remarks)


def row(metric: str, a: float | None, b: float | None, pairs: Pairs) -> Row:
    """One metric, compared image by image where it can be."""
    if a is None or b is None:
        return Row(metric, a, b, None, "only in A" if b is None else "only in B")
    if pairs.a is None or pairs.b is None:
        return Row(metric, a, b, None, NOT_PAIRED)
    scores = [scores_of(table, metric) for table in (pairs.a, pairs.b)]  # (N,) each
    judged = np.isfinite(scores).all(axis=0)
    if not judged.any():
        return Row(metric, a, b, None, NO_TEST)
    found = paired.compare(*(each[judged] for each in scores))
    return Row(metric, a, b, found, found.verdict)


def scores_of(table: pa.Table, metric: str) -> np.ndarray:
    """Image by image; NaN where there is none."""
    if metric not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[metric].to_numpy(), dtype=np.float64)


def pair(a: pa.Table | None, b: pa.Table | None, encoder: str) -> Pairs:
    """The rows of the images that both runs judged, and a remark on the others."""
    of_encoder = [None if table is None else table.filter(pc.field("encoder") == encoder) for table in (a, b)]
    table_a, table_b = (None if table is None or table.num_rows == 0 else table for table in of_encoder)
    if a is not None and b is not None and table_a is None and table_b is None:
        return Pairs(a.schema.empty_table(), b.schema.empty_table(), [])  # a probe that judges no single image
    if table_a is None or table_b is None:
        lacking = [name for name, table in (("A", table_a), ("B", table_b)) if table is None]
        return Pairs(None, None, [f"no per-image predictions in {' and '.join(lacking)}"])
    in_a, in_b = paired.shared(table_a["id"].to_pylist(), table_b["id"].to_pylist())
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


def of_runs(a: Revision, b: Revision) -> list[tuple[str, float | None, float | None]]:
    """The numbers about the run that changed: name, A and B; None where there is none."""
    found: list[tuple[str, float | None, float | None]] = []
    for file in files(a, b):
        contents = [one.metrics.get(file) for one in (a, b)]
        if not any(is_by_encoder(content) for content in contents):
            in_a, in_b = (flat(content) for content in contents)
            keys = [key for key in {**in_a, **in_b} if in_a.get(key) != in_b.get(key)]
            found += [(f"{Path(file).stem}: {key}", in_a.get(key), in_b.get(key)) for key in keys]
    return found


def flat(content: Any, above: str = "") -> dict[str, float]:
    """The numbers in mappings of mappings, by the keys that lead to them; lists are left out."""
    if isinstance(content, (int, float)):
        return {above: content}
    found: dict[str, float] = {}
    if isinstance(content, dict):
        for key, value in content.items():
            found |= flat(value, f"{above} {key}".strip())
    return found
