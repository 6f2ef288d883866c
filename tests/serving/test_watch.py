"""Tests how a new version takes the place of the one that is served: whole, checked, and without dropping a request."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.encoder.saved import ONNX
from components.stage.errors import InputError
from components.store.decode import decode_square
from serving.check import check, check_index
from serving.served import Loader
from serving.service import Service
from serving.watch import Checkout, load_checked, watch
from tests.serving.conftest import COUNT, PNG, Bench, draw, index_store, save_network
from tests.small import fill_store

SQUARE = decode_square(PNG, side=8, channels=1, deep=False)


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Bench:
    """A checkout of its own."""
    return Bench(shutil.copytree(made, tmp_path / "own"))


def make_loader(service: Service, bench: Bench) -> Loader:
    return Loader(service.params, service.metrics, bench.threads)


def run_watch(service: Service, bench: Bench, act: Callable[[], None], until: Callable[[], bool]) -> None:
    """Let a service watch a checkout while something is done to it, until something is so."""

    async def run() -> None:
        source = Checkout(bench.places)
        watching = asyncio.create_task(watch(service, source, make_loader(service, bench), source.look()))
        await asyncio.to_thread(act)
        async with asyncio.timeout(30):
            while not until():
                await asyncio.sleep(0.01)
                assert not watching.done()
        watching.cancel()

    asyncio.run(run())


def count(service: Service, name: str) -> float:
    return service.metrics.registry.get_sample_value(f"serving_{name}_total") or 0.0


def test_a_finished_run_is_served_and_a_request_keeps_the_version_that_it_began_with(own: Bench) -> None:
    service = own.make_service(bare=True)
    before, may_go_on = service.served, threading.Event()
    network = before.batcher.network

    def wait(squares: np.ndarray) -> np.ndarray:
        may_go_on.wait(20)
        return network(squares)

    before.batcher.network = wait
    before.batcher.threads = type(own.threads)(1)  # the check of the new version must not wait for the old one

    async def ask() -> None:
        source = Checkout(own.places)
        watching = asyncio.create_task(watch(service, source, make_loader(service, own), source.look()))
        request = asyncio.create_task(before.batcher.embed(SQUARE))
        await asyncio.to_thread(save_network, own.places.encoder, 1)
        async with asyncio.timeout(30):
            while service.served is before:
                await asyncio.sleep(0.01)
        may_go_on.set()
        answered = await request
        np.testing.assert_allclose(answered, network(SQUARE[None].copy())[0], rtol=1e-4, atol=1e-5)
        after = await service.served.batcher.embed(SQUARE)
        assert not np.allclose(answered, after, rtol=1e-2)
        watching.cancel()

    asyncio.run(ask())
    assert service.served.weights != before.weights
    assert before.pictures.read("3") == PNG, "what is replaced can still be read by requests that have begun"
    assert count(service, "swaps") == 1


def test_half_of_a_run_is_refused_and_its_other_half_is_served(own: Bench) -> None:
    """The weights are new and encoder.onnx is old, as between two files of a stage that was killed there."""
    service = own.make_service(bare=True)
    before = service.served
    act = lambda: save_network(own.places.encoder, 2, exports=False)  # noqa: E731
    run_watch(service, own, act, lambda: count(service, "versions_refused") == 1)
    assert service.served is before
    run_watch(service, own, lambda: save_network(own.places.encoder, 2), lambda: service.served is not before)


@pytest.mark.parametrize("name", ["config.json", "encoder.safetensors", ONNX])
def test_a_damaged_file_is_refused_and_nothing_changes(name: str, own: Bench) -> None:
    service = own.make_service(bare=True)
    before, path = service.served, own.places.encoder / name
    act = lambda: path.write_bytes(path.read_bytes()[:-50])  # noqa: E731
    run_watch(service, own, act, lambda: count(service, "versions_refused") == 1)
    assert service.served is before


def test_files_that_change_while_they_are_read_are_not_served(own: Bench) -> None:
    service = own.make_service(bare=True)
    source, looks = Checkout(own.places), iter(range(9))
    source.look = lambda: str(next(looks))  # type: ignore[method-assign]
    with pytest.raises(InputError, match="changed while they were read"):
        load_checked(source, make_loader(service, own), service.params.health)


def test_an_index_of_another_encoder_or_of_other_images_is_not_served(own: Bench) -> None:
    service = own.make_service(bare=True)
    health, metrics = service.params.health, make_loader(service, own)
    served, loaded = metrics.load(own.places, "v1")
    check(served, loaded, health)
    index, names = index_store(served), [str(number) for number in range(COUNT)]
    squares = np.stack([decode_square(served.pictures.read(name), side=8, channels=1, deep=False) for name in names])
    features = served.batcher.network(squares)
    check_index(served, index, names, features, health)
    turned = np.roll(index.features, 1, axis=0)
    index.features = turned
    with pytest.raises(InputError, match=r"0 of 12 known images find themselves.*dvc repro index"):
        check_index(served, index, names, features, health)
    index.ids = index.ids[:-1]
    with pytest.raises(InputError, match=r"not of the images.*dvc repro index"):
        check_index(served, index, names, features, health)


def test_a_new_store_is_read_as_a_whole(own: Bench) -> None:
    service = own.make_service(bare=True)
    before = service.served
    act = lambda: fill_store(own.places.store, [draw(number) for number in range(COUNT + 1)])  # noqa: E731
    run_watch(service, own, lambda: (act(), None)[1], lambda: service.served is not before)
    assert (len(before.pictures), len(service.served.pictures)) == (COUNT, COUNT + 1)
    assert before.pictures.read("11") == service.served.pictures.read("11")
