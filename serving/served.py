"""What is served at a moment: an encoder with the classifier, the index and the images that belong to it.

It is loaded as a whole and never changed. A new version is loaded beside it and takes its place; a request keeps what
it began with until it is answered. B images, D features, K classes, N images of the index, Q queries.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from components.encoder.saved import Config
from components.features.load import LoadedEncoder, load_encoder
from components.flows.serving import Serving
from components.stage.errors import InputError
from components.store.store import Store
from serving.batching import Batcher
from serving.metrics import Metrics
from serving.embedding import OnnxNetwork
from serving.pictures import Pictures
from serving.places import Places
from serving.refusal import Refusal


class Classifier(Protocol):
    """What components/classifier/load.py loads."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes."""
        ...

    @property
    def encoder(self) -> str:
        """The SHA-256 of the weights of the encoder that the features come from."""
        ...

    def from_features(self, features: Tensor) -> Tensor:
        """Compute probabilities: (B, D) -> (B, K)."""
        ...


class Index(Protocol):
    """What components/index/search.py opens."""

    ids: np.ndarray  # (N,) str
    labels: np.ndarray  # (N,) int64, -1: none
    splits: np.ndarray  # (N,) str
    classes: tuple[str, ...]
    places: np.ndarray  # (N, 2) float32

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest: (Q, D) -> rows (Q, k) int64, similarities (Q, k) float32."""
        ...

    def place(self, rows: np.ndarray, similarities: np.ndarray) -> np.ndarray:
        """Say where new pictures lie in the map: (Q, k), (Q, k) -> (Q, 2)."""
        ...


@dataclass(frozen=True)
class Served:
    """One version of everything that is served."""

    version: str
    places: Places
    config: Config
    batcher: Batcher
    pictures: Pictures
    classifier: Classifier | None
    index: Index | None
    lacks: dict[str, str]  # what is not there, and the line that says which stage writes it
    data: str | None  # MD5 of the store as dvc.lock has it
    loaded: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def weights(self) -> str:
        """The SHA-256 of the encoder's weights."""
        return self.config.weights or ""

    def require_index(self) -> Index:
        """Return the index. Raises Refusal if there is none."""
        if self.index is None:
            raise Refusal(503, self.lacks["index"])
        return self.index

    def require_classifier(self) -> Classifier:
        """Return the classifier. Raises Refusal if there is none."""
        if self.classifier is None:
            raise Refusal(503, self.lacks["classifier"])
        return self.classifier


@dataclass(frozen=True)
class Loader:
    """Loads versions, for one process that serves them."""

    params: Serving
    metrics: Metrics
    threads: Executor  # in which networks run

    def load(self, places: Places, version: str) -> tuple[Served, LoadedEncoder]:
        """Load everything, and the encoder once more by PyTorch, for the check. Raises InputError."""
        loaded = load_encoder(places.encoder)
        network = OnnxNetwork(places.encoder, loaded.config.images, self.params.threads)
        lacks: dict[str, str] = {}
        served = Served(
            version=version or f"checkout-{(loaded.config.weights or '')[:12]}",
            places=places,
            config=loaded.config,
            batcher=Batcher(network, self.threads, self.params.batch, self.metrics),
            pictures=Pictures(Store(places.store)),
            classifier=load_optional("classifier", places.classifier, "load", "load_classifier", lacks),
            index=load_optional("index", places.index, "search", "open_index", lacks),
            lacks=lacks,
            data=places.read_data_revision(),
        )
        if served.classifier and served.classifier.encoder != served.weights:
            raise InputError(f"{places.classifier}: is of another encoder; `dvc repro classifier` makes it anew")
        return served, loaded


def load_optional(stage: str, folder: Path | None, module: str, function: str, lacks: dict[str, str]) -> Any:
    """Load what an optional stage has written; None if it has not run, which `lacks` then says in a line."""
    if folder is None or find_spec(f"components.{stage}") is None:
        lacks[stage] = f"there is no stage {stage} in dvc.yaml"
    elif not (folder.is_dir() and any(folder.iterdir())):
        lacks[stage] = f"no {stage} here; `dvc repro {stage}` writes it, if params.yaml asks for it"
    elif (folder / "skipped.txt").is_file():
        lacks[stage] = f"no {stage} here: {(folder / 'skipped.txt').read_text(encoding='utf-8').strip()[:500]}"
    else:
        return getattr(import_module(f"components.{stage}.{module}"), function)(folder)
    return None
