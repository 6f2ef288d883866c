"""A service of twelve gray images and a tiny untrained encoder, in this process and on a port of its own."""

import asyncio
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import uvicorn
from fastapi import FastAPI

from components.encoder.build import build_encoder
from components.encoder.params import Images, TinyResNet
from components.encoder.saved import Config, save_encoder
from components.flows.serving import Serving
from components.stage.command import read_params
from serving.__main__ import configure, listen
from serving.app import create_app
from serving.decoders import Decoders
from serving.decoding import make_square
from serving.guard import Guard
from serving.labelling.labelling import Labelling, open_labelling
from serving.metrics import Metrics
from serving.places import Places, find_places
from serving.served import Loader, Served
from serving.service import Service
from tests.conftest import ROOT
from tests.small import CLASSES, encode_png, fill_store

GRAYS = Images(side=8, read_side=8, range=None, colours=None, mean=(0.5,), std=(0.25,))
COUNT = 12


def draw(number: int) -> np.ndarray:
    """Draw the image of this number: (8, 8)."""
    return np.random.default_rng(number).integers(0, 256, (8, 8))


PNG = encode_png(draw(3))


def save_network(folder: Path, seed: int, *, exports: bool = True) -> None:
    """Write the encoder that this seed draws."""
    params = TinyResNet(name="tiny_resnet", widths=(8,), blocks=1)
    torch.manual_seed(seed)
    network = build_encoder(params, channels=1, side=8).eval()
    folder.mkdir(parents=True, exist_ok=True)
    config = Config(encoder=params, images=GRAYS, features=8, seed=seed, provenance={"method": "none, drawn"})
    save_encoder(folder, network, config)
    if exports:
        export_quickly(network, folder / "encoder.onnx")


def export_quickly(network: torch.nn.Module, path: Path) -> None:
    """Write the network's ONNX file by the older exporter, which takes a tenth of the time."""
    names: Any = {"input_names": ["images"], "output_names": ["features"]}
    with warnings.catch_warnings(action="ignore"):  # of its age
        axes = {"images": {0: "batch"}, "features": {0: "batch"}}
        torch.onnx.export(network, (torch.zeros(2, 1, 8, 8),), path, **names, dynamic_axes=axes, dynamo=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the stages that are needed have run."""
    root = tmp_path_factory.mktemp("served")
    shutil.copy(ROOT / "dvc.yaml", root)
    labels = [number % 3 if number % 2 else None for number in range(COUNT)]
    fill_store(root / "data/store", [draw(number) for number in range(COUNT)], labels=labels)
    save_network(root / "models/encoder", 0)
    return root


@dataclass
class ExactIndex:
    """An index that compares with every image."""

    features: np.ndarray  # (N, D) of length 1
    ids: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    places: np.ndarray
    classes: tuple[str, ...] = tuple(CLASSES)

    @property
    def vectors(self) -> np.ndarray:
        """The features."""
        return self.features

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest."""
        similar = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ self.features.T
        rows = np.argsort(-similar, axis=1)[:, :k]
        return rows, np.take_along_axis(similar, rows, 1)

    def place(self, rows: np.ndarray, similarities: np.ndarray) -> np.ndarray:
        """Place a picture in their middle."""
        placed: np.ndarray = self.places[rows].mean(axis=1)
        return placed


class Third:
    """A classifier for which every image is of the third class."""

    classes = tuple(CLASSES)
    encoder = ""

    def from_features(self, features: torch.Tensor) -> torch.Tensor:
        """Return the same for every image."""
        return torch.tensor([[0.1, 0.2, 0.7]]).expand(len(features), 3)


def index_store(served: Served) -> ExactIndex:
    """Index the images of the store by what is served."""
    names = list(served.pictures.places)
    squares = np.stack([make_square(served.pictures.read(name), GRAYS) for name in names])
    features = served.batcher.network(squares)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.array([number % 3 if number % 2 else -1 for number in range(len(names))])
    return ExactIndex(features, np.array(names), labels, np.full(len(names), "train"), features[:, :2].copy())


@dataclass
class Bench:
    """Makes services of a checkout, with limits so small that they are met."""

    root: Path
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def places(self) -> Places:
        """Where it lies."""
        return find_places(self.root)

    def set_params(self, **limits: Any) -> Serving:
        """Make the shipped settings with small limits."""
        params = read_params(ROOT / "params.yaml").serving.model_dump()
        params["limits"] |= {"max_bytes": 100_000, "max_pixels": 250_000, "neighbours": 5} | limits
        return Serving.model_validate(params | {"decoders": 1, "poll_seconds": 0.05})

    def make_service(self, *, bare: bool = False, **limits: Any) -> Service:
        """Make a service; a bare one has neither classifier nor index."""
        params, metrics = self.set_params(**limits), Metrics()
        served, _ = Loader(params, metrics, self.threads).load(self.places, "v1")
        if not bare:
            served = replace(served, index=index_store(served), classifier=Third(), lacks={})
        return Service(params, 10**6, metrics, Decoders(params, metrics), served)


@pytest.fixture(scope="session")
def bench(made: Path) -> Bench:
    return Bench(made)


@contextmanager
def run_service(service: Service, guard: Guard, labelling: Labelling | None = None) -> Iterator[httpx.Client]:
    """Run a service on a port of its own, in a thread."""

    @asynccontextmanager
    async def live(_: FastAPI) -> Any:
        service.decoders.free.put_nowait(None)  # a process is started when the first image comes
        yield
        await service.decoders.stop()

    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configure(create_app(service, guard, live, labelling), service.params))
    server.capture_signals = _leave_signals  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20, trust_env=False) as client:
        while not server.started and thread.is_alive():
            threading.Event().wait(0.01)
        yield client
    server.should_exit = True
    thread.join(20)
    listener.close()
    assert not thread.is_alive()


@contextmanager
def _leave_signals() -> Iterator[None]:
    yield


@pytest.fixture(scope="session")
def service(bench: Bench) -> Service:
    return bench.make_service(body_seconds=0.5, header_seconds=0.5, decode_seconds=5.0, requests=8)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose labels are given by way of the service."""
    root = tmp_path_factory.mktemp("labelled")
    shutil.copy(ROOT / "dvc.yaml", root)
    return root


@pytest.fixture(scope="session")
def client(service: Service, labelled: Path) -> Iterator[httpx.Client]:
    labelling = open_labelling(labelled, read_params(ROOT / "params.yaml"))
    with run_service(service, Guard(frozenset({"localhost"}), None), labelling) as client:
        yield client


Post = Callable[..., httpx.Response]


@pytest.fixture
def post(client: httpx.Client) -> Post:
    """Send a body to a route, as an image."""

    def send(content: Any, route: str = "/embed", kind: str = "image/png", **more: Any) -> httpx.Response:
        return client.post(route, content=content, headers={"Content-Type": kind}, **more)

    return send
