"""The inputs of the stage fetch in tests, and what a run of it leaves."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from components.fetch import __main__ as fetch
from components.fetch.checks.inspect import inspect
from components.fetch.checks.inspection import InspectedCandidate, drop_content
from components.fetch.params import Data
from components.fetch.sources.candidate import Candidate
from components.stage.command import read_params
from components.store.store import Store
from tests.conftest import ROOT, set_in

Sources = Sequence[dict[str, Any]]


def section(sources: Sources, **changes: Any) -> Data:
    """Return the shipped section of params.yaml with these sources: `section(sources, checks__leaked="keep")`."""
    raw = read_params(ROOT / "params.yaml").data.model_dump() | {"sources": list(sources)}
    for key, value in changes.items():
        set_in(raw, key.split("__"), value)
    return Data.model_validate(raw)


def folder_source(folder: Path, layout: str = "classes", name: str = "mine") -> dict[str, Any]:
    return {"kind": "folder", "name": name, "url": str(folder), "layout": layout}


def photo(number: int, size: tuple[int, int] = (24, 18), mode: str = "RGB") -> Image.Image:
    """Draw smooth noise: no two images look nearly alike, and a scaled one looks like itself."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def inspect_in_this_process(candidates: Iterable[Candidate], params: Data) -> Iterator[InspectedCandidate]:
    """Stand in for `inspect_all` if processes would only take time."""
    for candidate in candidates:
        yield drop_content(candidate), inspect(candidate, params.limits, params.reencode)


@dataclass(frozen=True)
class Fetched:
    """A folder in which the stage ran."""

    folder: Path

    def run(self, params: Data) -> "Fetched":
        """Run the stage in the folder."""
        paths = {name: self.folder / name for name in ("labels", "store", "findings", "scratch")}
        fetch.run(params, metrics=self.folder / "data.json", **paths)
        return self

    @property
    def store(self) -> Store:
        """The store; raises if there is none."""
        return Store(self.folder / "store")

    def column(self, name: str) -> list[Any]:
        """Return a column of the store, in its order."""
        values: pa.ChunkedArray = self.store.read_columns([name])[name]
        return values.to_pylist()

    @property
    def splits(self) -> dict[str, str]:
        """The split of each image, by id."""
        return dict(zip(self.column("id"), self.column("split"), strict=True))

    @property
    def classes(self) -> dict[str, str | None]:
        """The class of each image, by id."""
        names = self.store.class_names
        labels = zip(self.column("id"), self.column("label"), strict=True)
        return {name: None if label is None else names[label] for name, label in labels}

    @property
    def images(self) -> dict[str, bytes]:
        """The encoded images, by id."""
        return dict(zip(self.column("id"), (image["bytes"] for image in self.column("image")), strict=True))

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of data.json."""
        read: dict[str, Any] = json.loads((self.folder / "data.json").read_text())
        return read

    def read_findings(self, kind: str) -> list[dict[str, str]]:
        """Return the rows of one file of findings."""
        return read_csv(self.folder / "findings" / f"{kind}.csv")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))
