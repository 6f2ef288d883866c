"""What is served at a moment: an encoder with the classifier, the index and the images that belong to it.

It is loaded as a whole and never changed. A new version is loaded beside it and takes its place; a request keeps what
it began with until it is answered. B images, D features, K classes, N images of the index, Q queries.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from components.classifier.files import SKIPPED
from components.classifier.load import LoadedClassifier, load_classifier
from components.encoder.saved import Config
from components.features.load import LoadedEncoder, load_encoder
from components.flows.serving import Serving
from components.index.search import Index, open_index
from components.stage.errors import InputError
from components.store.store import Store
from serving.batching import Batcher
from serving.embedding import OnnxNetwork
from serving.metrics import Metrics
from serving.pictures import Pictures
from serving.places import Places
from serving.refusal import Refusal

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Served:
    """One version of everything that is served."""

    version: str
    places: Places
    config: Config
    batcher: Batcher
    pictures: Pictures
    classifier: LoadedClassifier | None
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

    def require_classifier(self) -> LoadedClassifier:
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
            classifier=load_optional("classifier", places.classifier, load_classifier, lacks),
            index=load_optional("index", places.index, self.open_index, lacks),
            lacks=lacks,
            data=places.read_data_revision(),
        )
        if served.classifier and served.classifier.encoder != served.weights:
            raise InputError(f"{places.classifier}: is of another encoder; `dvc repro classifier` makes it anew")
        return served, loaded

    def open_index(self, folder: Path) -> Index:
        """Open the index, which is searched by as many threads as the network has. Raises InputError."""
        return open_index(folder, self.params.threads)


def load_optional(
    stage: str, folder: Path | None, load: Callable[[Path], Loaded], lacks: dict[str, str]
) -> Loaded | None:
    """Load what an optional stage has written; None if it has not run, which `lacks` then says in a line."""
    if folder is None:
        lacks[stage] = f"there is no stage {stage} in this version"
    elif not (folder.is_dir() and any(folder.iterdir())):
        lacks[stage] = f"no {stage} here; `dvc repro {stage}` writes it, if params.yaml asks for it"
    elif (folder / SKIPPED).is_file():
        lacks[stage] = f"no {stage} here: {(folder / SKIPPED).read_text(encoding='utf-8').strip()[:500]}"
    else:
        return load(folder)
    return None
