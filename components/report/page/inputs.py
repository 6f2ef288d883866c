"""Reads what earlier stages wrote for the page; what a probe did not write is empty and not an error.

N judged images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.encoder.params import Images
from components.features.embeddings import Embeddings, read_embeddings
from components.features.encoders import OURS, order_encoders
from components.report.page.measured import Columns, read_columns, read_metrics, read_rows
from components.report.page.numbers import VERIFICATION, Probe
from components.report.page.paired import Scores
from components.report.page.suspects import Suspects
from components.stage.errors import InputError
from components.store.sealed import open_sealed
from components.store.store import Store

PARTS = ("images", "confidence", "accuracy", "accuracy_low", "accuracy_high")
RELIABILITY = [f"{name}{state}" for state in ("", "_uncalibrated") for name in PARTS]
PREDICTED = {"id": pa.string(), "encoder": pa.string(), "actual": pa.int64(), "predicted": pa.int64()}


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
    classifier: Probe  # empty where there is none
    store: Store
    shape: Images  # as the encoder sees them
    embeddings: Path
    predictions: Path
    plots: Path
    suspects: dict[str, Suspects] = field(default_factory=dict)  # by the encoders that were asked for

    @cached_property
    def table(self) -> Embeddings:
        """Our encoder's embeddings. Raises InputError if there are none, or if they are of other images."""
        path = self.embeddings / f"{OURS}.parquet"
        table = read_embeddings(path)
        ids = self.store.read_columns(["id"])["id"].to_numpy().astype(str)
        if not np.array_equal(ids, table.ids) or table.labels.max(initial=-1) >= len(self.class_names):
            raise InputError(f"{path}: not of the images in {self.store.folder}; `dvc repro embed` writes it")
        return table

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

    def curve(self, probe: str, name: str) -> Columns:
        """Read the columns of plots/<probe>/<name>.csv; a probe not run has none: its file is of another run."""
        path = self.plots / probe / f"{name}.csv"
        return read_columns(path, "evaluate") if probe in self.probes and path.exists() else {}

    @property
    def pretrain_curve(self) -> Columns:
        """The columns of plots/pretrain/curve.csv, a row per epoch."""
        path = self.plots / "pretrain" / "curve.csv"
        curve = read_columns(path, "pretrain")
        if None in curve.get("epoch", [None]):
            raise InputError(f"{path}: no column epoch, or an empty cell in it; `dvc repro pretrain` writes it")
        return curve

    @property
    def reliability(self) -> Columns:
        """The columns of plots/classifier/reliability.csv, a row per bin; none where there is no classifier."""
        if not self.classifier:
            return {}
        path = self.plots / "classifier" / "reliability.csv"
        columns = read_columns(path, "classifier")
        if lacking := [name for name in RELIABILITY if name not in columns]:
            raise InputError(f"{path}: no column {lacking[0]}; `dvc repro classifier` writes it")
        return columns

    def read_predictions(self, probe: str) -> Predictions | None:
        """Read a probe's predictions, or return None if there are none."""
        table = self._read_rows(probe)
        rows = table.filter(pc.equal(table["encoder"], OURS))
        if not len(rows) or rows["predicted"].null_count:
            return None
        found = Predictions(rows["id"].to_pylist(), *(rows[key].to_numpy() for key in ("actual", "predicted")))
        classes = np.concatenate([found.actual, found.predicted])
        if not {*found.ids} <= self.row_of.keys() or not ((classes >= 0) & (classes < len(self.class_names))).all():
            raise self._make_error(probe, "not of the images and classes of the store")
        return found

    def read_average_precision(self) -> dict[str, float]:
        """Read the average precision of each test image as a query, by its id; empty if retrieval was not measured."""
        table = self._read_rows("retrieval")
        if "map" not in table.column_names:
            return {}
        rows = table.filter(pc.equal(table["encoder"], OURS))
        return dict(zip(rows["id"].to_pylist(), rows["map"].to_pylist(), strict=True))

    @cached_property
    def read_scores(self) -> Callable[[str], Scores]:
        """Read the scores of a probe, on which several parts of the page rest, from their file once."""
        return cache(self._read_scores)

    def _read_scores(self, probe: str) -> Scores:
        """Read every encoder's score per image; empty unless all encoders judged the same images."""
        rows = self._read_rows(probe)
        names = [name for name in rows.column_names if name not in PREDICTED]
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
        if not path.exists():
            return []
        header, *rows = read_rows(path, "evaluate")
        if header != ["metric", "reason"]:
            raise InputError(f"{path}: no columns metric and reason; `dvc repro evaluate` writes them")
        return [(metric, reason) for metric, reason in rows]

    def _read_rows(self, probe: str) -> pa.Table:
        """Read what a probe predicted for every encoder; no row if it predicted nothing."""
        path = self.predictions / f"{probe}.parquet"
        if probe not in self.probes or not path.exists():
            return pa.schema(PREDICTED).empty_table()
        with open_sealed(path, PREDICTED, "evaluate") as file:
            table = file.read()
        scores = [table[name] for name in table.column_names if name not in PREDICTED]
        if table["id"].null_count or table["encoder"].null_count:
            raise self._make_error(probe, "a row without an id or an encoder")
        for score in scores:
            if not pa.types.is_floating(score.type) or not pc.all(pc.is_finite(score), min_count=0).as_py():
                raise self._make_error(probe, "a score that is no finite number")
        return table

    def _make_error(self, probe: str, fault: str) -> InputError:
        path = self.predictions / f"{probe}.parquet"
        return InputError(f"{path}: {fault}; `dvc repro evaluate@{probe}` writes it")


def check_predictions(folder: Path, names: Sequence[str]) -> None:
    """Check that each of the named probes has predictions, as all of them write. Raises InputError."""
    for name in names:
        if not (path := folder / f"{name}.parquet").exists():
            raise InputError(f"{path}: missing; `dvc repro evaluate@{name}` writes it")


def read_probes(folder: Path, names: Sequence[str]) -> dict[str, Probe]:
    """Read the metrics of the named probes, with the encoders in the order in which they are shown."""
    return {name: order_encoders(read_metrics(folder / f"{name}.json")) for name in names}
