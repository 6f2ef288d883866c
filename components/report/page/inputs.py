"""What earlier stages wrote, read for the page; what a probe did not write is empty, not an error.

N judged images.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from components.features.embeddings import Embeddings, read_embeddings
from components.features.encoders import OURS, in_order
from components.report.page.numbers import Probe
from components.stage.errors import InputError
from components.store.store import Store


@dataclass(frozen=True)
class Judged:
    """What a probe said of our encoder's test images."""

    ids: list[str]
    actual: np.ndarray  # (N,)
    predicted: np.ndarray  # (N,)


@dataclass(frozen=True)
class Inputs:
    """All that the page is made of."""

    data: dict[str, Any]
    pretrain: dict[str, Any]
    probes: dict[str, Probe]
    store: Store
    embeddings: Path
    predictions: Path
    plots: Path

    @cached_property
    def table(self) -> Embeddings:
        """Our encoder's embeddings."""
        path = self.embeddings / f"{OURS}.parquet"
        if not path.is_file():
            raise InputError(f"{path}: missing; `dvc repro embed` writes it")
        return read_embeddings(path)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Id of an image -> its row of the store."""
        return {str(name): row for row, name in enumerate(self.table.ids)}

    @property
    def names(self) -> list[str]:
        """Of the classes."""
        return self.store.class_names

    @property
    def tiny(self) -> bool:
        """Whether the images are of so few pixels that each should be seen."""
        return max(int(one["median"]) for one in self.data["sizes"].values()) <= 64

    def curve(self, probe: str, name: str) -> dict[str, list[float | None]]:
        """plots/<probe>/<name>.csv by column; empty of a probe that is not asked, whose file is of another run."""
        return read_columns(self.plots / probe / f"{name}.csv") if probe in self.probes else {}

    def judged(self, probe: str) -> Judged | None:
        """Its predictions, if there are any."""
        rows = self._predictions(probe, ["id", "actual", "predicted"])
        if not rows or None in rows["predicted"]:
            return None
        return Judged(rows["id"], np.array(rows["actual"]), np.array(rows["predicted"]))

    def average_precision(self) -> dict[str, float]:
        """Id of a test image -> how well it finds its class among the train images; empty where none looked."""
        rows = self._predictions("retrieval", ["id", "map"])
        return dict(zip(rows["id"], rows["map"], strict=True)) if rows else {}

    def _predictions(self, probe: str, columns: list[str]) -> dict[str, list[Any]]:
        path = self.predictions / f"{probe}.parquet"
        if probe not in self.probes or not path.is_file() or not set(columns) <= set(pq.read_schema(path).names):
            return {}
        rows = pq.read_table(path, columns=columns, filters=[("encoder", "==", OURS)])
        return dict(rows.to_pydict()) if len(rows) else {}


def read_metrics(path: Path) -> Any:
    """What another stage measured."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: missing; `dvc repro` writes it") from None


def read_probes(folder: Path, names: Sequence[str]) -> dict[str, Probe]:
    """The metrics of the named probes."""
    return {name: in_order(read_metrics(folder / f"{name}.json")) for name in names}


def read_columns(path: Path) -> dict[str, list[float | None]]:
    """A CSV's columns; None where nothing stands."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    values = [[float(cell) if cell else None for cell in row] for row in rows]
    return {name: [row[place] for row in values] for place, name in enumerate(header)}
