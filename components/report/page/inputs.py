"""Reads what earlier stages wrote for the page; what a probe did not write is empty and not an error.

N judged images.
"""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from components.features.embeddings import Embeddings, read_embeddings
from components.features.encoders import OURS, order_encoders
from components.report.page.numbers import VERIFICATION, Probe
from components.report.page.paired import Scores
from components.stage.errors import InputError
from components.store.store import Store


@dataclass(frozen=True)
class Predictions:
    """A probe's predictions for the test images by our encoder's features."""

    ids: list[str]
    actual: np.ndarray  # (N,)
    predicted: np.ndarray  # (N,)


@dataclass(frozen=True)
class Inputs:
    """The outputs of earlier stages that the page is made of."""

    data: dict[str, Any]
    pretrain: dict[str, Any]
    probes: dict[str, Probe]
    store: Store
    embeddings: Path
    predictions: Path
    plots: Path

    @cached_property
    def table(self) -> Embeddings:
        """Our encoder's embeddings. Raises InputError if there are none."""
        path = self.embeddings / f"{OURS}.parquet"
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro embed` writes it")
        return read_embeddings(path)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of the store of each image, by its id."""
        return {str(name): row for row, name in enumerate(self.table.ids)}

    @property
    def class_names(self) -> list[str]:
        """The names of the classes."""
        return self.store.class_names

    @property
    def tiny(self) -> bool:
        """Whether the images have so few pixels that each pixel should be visible."""
        return max(int(size["median"]) for size in self.data["sizes"].values()) <= 64

    def curve(self, probe: str, name: str) -> dict[str, list[float | None]]:
        """Read the columns of plots/<probe>/<name>.csv; a probe not run has none: its file is of another run."""
        return read_columns(self.plots / probe / f"{name}.csv") if probe in self.probes else {}

    @property
    def pretrain_curve(self) -> dict[str, list[float | None]]:
        """The columns of plots/pretrain/curve.csv, a row per epoch."""
        path = self.plots / "pretrain" / "curve.csv"
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro pretrain` writes it")
        return read_columns(path)

    def read_predictions(self, probe: str) -> Predictions | None:
        """Read a probe's predictions, or return None if there are none."""
        rows = self._read_rows(probe, ["id", "actual", "predicted"])
        if not rows or None in rows["predicted"]:
            return None
        return Predictions(rows["id"], np.array(rows["actual"]), np.array(rows["predicted"]))

    def read_average_precision(self) -> dict[str, float]:
        """Read the average precision of each test image as a query, by its id; empty if retrieval was not measured."""
        rows = self._read_rows("retrieval", ["id", "map"])
        return dict(zip(rows["id"], rows["map"], strict=True)) if rows else {}

    @cached_property
    def read_scores(self) -> Callable[[str], Scores]:
        """Read the scores of a probe, on which several parts of the page rest, from their file once."""
        return cache(self._read_scores)

    def _read_scores(self, probe: str) -> Scores:
        """Read every encoder's score per image; empty unless all encoders judged the same images."""
        path = self.predictions / f"{probe}.parquet"
        if not path.is_file():
            return Scores({})
        rows = pq.read_table(path)
        names = [name for name in rows.column_names if name not in ("id", "encoder", "actual", "predicted")]
        encoder = rows["encoder"].to_numpy()
        by_encoder, judged = {}, []
        for one in order_encoders(dict.fromkeys(encoder.tolist())):
            part = rows.filter(encoder == one)
            order = np.argsort(ids := part["id"].to_numpy().astype(str), kind="stable")
            judged.append(ids[order])
            by_encoder[one] = {name: part[name].to_numpy()[order] for name in names if not part[name].null_count}
        if not judged or not all(np.array_equal(ids, judged[0]) for ids in judged):
            return Scores({})
        members = self._find_members(judged[0].tolist()) if probe == VERIFICATION else None
        return Scores(by_encoder, members, len(judged[0]))

    def _find_members(self, pairs: list[str]) -> np.ndarray | None:
        """Find the rows of both images of each pair, `id id`, whose ids may hold spaces: (N, 2)."""
        found = []
        for pair in pairs:
            gaps = [place for place, letter in enumerate(pair) if letter == " "]
            halves = [(pair[:gap], pair[gap + 1 :]) for gap in gaps]
            rows = [(self.row_of[a], self.row_of[b]) for a, b in halves if a in self.row_of and b in self.row_of]
            found += rows[:1]
        return np.array(found) if len(found) == len(pairs) > 0 else None

    def read_left_out(self, probe: str) -> list[tuple[str, str]]:
        """Read the metrics that were asked for and not measured, each with the reason."""
        path = self.plots / probe / "left_out.csv"
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [(row["metric"], row["reason"]) for row in csv.DictReader(file)]

    def _read_rows(self, probe: str, columns: list[str]) -> dict[str, list[Any]]:
        path = self.predictions / f"{probe}.parquet"
        if probe not in self.probes or not path.is_file() or not set(columns) <= set(pq.read_schema(path).names):
            return {}
        rows = pq.read_table(path, columns=columns, filters=[("encoder", "==", OURS)])
        return dict(rows.to_pydict()) if len(rows) else {}


def read_metrics(path: Path) -> Any:
    """Read what another stage measured. Raises InputError if the file is missing."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: missing; `dvc repro` writes it") from None


def read_probes(folder: Path, names: Sequence[str]) -> dict[str, Probe]:
    """Read the metrics of the named probes, with the encoders in the order in which they are shown."""
    return {name: order_encoders(read_metrics(folder / f"{name}.json")) for name in names}


def read_columns(path: Path) -> dict[str, list[float | None]]:
    """Read the columns of a CSV file, with None for an empty cell; without the file there are no columns."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    values = [[float(cell) if cell else None for cell in row] for row in rows]
    return {name: [row[place] for row in values] for place, name in enumerate(header)}
