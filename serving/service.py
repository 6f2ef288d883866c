"""The service itself, whatever speaks to it: it embeds, searches and classifies with what is served at the moment.

D features, K classes, Q queries, k neighbours.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import torch

from components.flows.serving import Serving
from components.index.search import Index
from serving.answers import ClassProbability, Neighbour
from serving.decoders import Decoders
from serving.decoding import Job
from serving.metrics import Metrics
from serving.refusal import Refusal
from serving.served import Served

KEPT_BYTES = 64_000_000  # of thumbnails in memory, of some KB each, or some hundred KB
WIDEN = 8  # times as many neighbours are looked at, if too few of them have a label


@dataclass
class Service:
    """Answers with the version that is served when a request begins."""

    params: Serving
    stored_pixels: int  # of an image of the store, at most: data.limits.max_pixels
    metrics: Metrics
    decoders: Decoders
    served: Served  # another takes its place as a whole
    thumbnails: OrderedDict[tuple[str, str, int], bytes] = field(default_factory=OrderedDict)
    thumbnail_bytes: int = 0

    def swap(self, served: Served) -> None:
        """Serve another version from now on; requests that have begun keep the one before."""
        self.served = served
        self.thumbnails.clear()
        self.thumbnail_bytes = 0
        self.metrics.name_version(served.version, served.weights)

    async def embed(self, served: Served, encoded: bytes, max_pixels: int) -> np.ndarray:
        """Embed an encoded image: (D,) float32. Raises Refusal."""
        job = Job(shape=served.config.images, max_pixels=max_pixels)
        features = await served.batcher.embed(await self.decoders.make_square(encoded, job))
        if not np.isfinite(features).all():
            raise Refusal(422, "the encoder's features of this image are not finite")
        return features

    async def embed_upload(self, served: Served, encoded: bytes) -> np.ndarray:
        """Embed an image that somebody sent: (D,) float32. Raises Refusal."""
        return await self.embed(served, encoded, self.params.limits.max_pixels)

    async def embed_known(self, served: Served, name: str) -> np.ndarray:
        """Embed an image of the store: (D,) float32. Raises Refusal if there is none of this id."""
        return await self.embed(served, await self.read_known(served, name), self.stored_pixels)

    async def read_known(self, served: Served, name: str) -> bytes:
        """Read an encoded image of the store. Raises Refusal if there is none of this id."""
        if name not in served.pictures:
            raise Refusal(404, "no image of this id")
        return await asyncio.to_thread(served.pictures.read, name)

    async def search(
        self, served: Served, features: np.ndarray, k: int, without: str | None = None
    ) -> tuple[np.ndarray, list[Neighbour]]:
        """Find the k nearest images, `without` itself left out, and the place in the map: (2,). Raises Refusal."""
        index = served.require_index()
        rows, similarities = await self._look(index, features, k + (without is not None))  # (k,), (k,)
        place = index.place(rows[None], similarities[None])[0]
        found = describe(index, rows, similarities)
        return place, [neighbour for neighbour in found if neighbour.id != without][:k]

    async def find_labelled(
        self, served: Served, features: np.ndarray, count: int, without: str | None = None
    ) -> list[Neighbour]:
        """Find the nearest images that have a label, `without` itself left out; none if there is no index."""
        index, wide = served.index, count * WIDEN
        if index is None:
            return []
        while True:
            rows, similarities = await self._look(index, features, wide)
            labelled = index.labels[rows] >= 0
            found = describe(index, rows[labelled], similarities[labelled])
            found = [neighbour for neighbour in found if neighbour.id != without][:count]
            if len(found) == count or wide >= len(index.ids):
                return found
            wide *= WIDEN

    async def _look(self, index: Index, features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for one picture in another thread than the networks': rows (k,), similarities (k,)."""
        rows, similarities = await asyncio.to_thread(index.search, features[None], min(k, len(index.ids)))
        return rows[0], similarities[0]

    def classify(self, served: Served, features: np.ndarray) -> list[ClassProbability]:
        """Name all classes with their probabilities, the likeliest first. Raises Refusal."""
        classifier = served.require_classifier()
        with torch.inference_mode():
            probabilities = classifier.from_features(torch.from_numpy(features[None]))[0].tolist()  # (K,)
        pairs = zip(classifier.classes, probabilities, strict=True)
        likeliest = sorted(pairs, key=lambda pair: -pair[1])
        return [ClassProbability(name=name, probability=value) for name, value in likeliest]

    async def draw_thumbnail(self, served: Served, name: str, side: int) -> bytes:
        """Draw an image of the store as a PNG of at most `side` pixels per side. Raises Refusal."""
        key = (served.weights, name, side)
        if (kept := self.thumbnails.get(key)) is not None:
            self.thumbnails.move_to_end(key)
            return kept
        encoded = await self.read_known(served, name)
        job = Job(shape=served.config.images, max_pixels=self.stored_pixels, thumbnail=side)
        drawn = await self.decoders.make_thumbnail(encoded, job)
        if served is self.served and key not in self.thumbnails:  # somebody else may have asked meanwhile
            self.thumbnails[key] = drawn
            self.thumbnail_bytes += len(drawn)
            while self.thumbnail_bytes > KEPT_BYTES:
                self.thumbnail_bytes -= len(self.thumbnails.popitem(last=False)[1])
        return drawn


def describe(index: Index, rows: np.ndarray, similarities: np.ndarray) -> list[Neighbour]:
    """Describe rows of the index: (k,), (k,)."""
    return [
        Neighbour(
            id=str(index.ids[row]),
            split=str(index.splits[row]),
            label=name_label(index, row),
            similarity=float(similarity),
            place=to_place(index.places[row]),
        )
        for row, similarity in zip(rows.tolist(), similarities, strict=True)
    ]


def name_label(index: Index, row: int) -> str | None:
    """Name the class of a row; None if it has no label."""
    label = int(index.labels[row])
    return index.classes[label] if label >= 0 else None


def to_place(place: np.ndarray) -> tuple[float, float]:
    """Return a place in the map as JSON has it: (2,)."""
    return float(place[0]), float(place[1])
