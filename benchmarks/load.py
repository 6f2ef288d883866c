"""Measures the service under load on this machine: seconds of a request, requests per second, and memory.

`python -m benchmarks.load` needs a checkout in which the pipeline has run, with a classifier and an index. Clients are
threads of a process of their own, each of which asks one request after the other over one connection with images of the
store; on few cores they take a good part of what the service could have. Memory is the resident memory of the service
and its decoders, read after every thousand of further requests to all routes. Beside it stands what a batch takes by
onnxruntime and by PyTorch, on one thread.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import http.client
import itertools
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch

from benchmarks.records import write_record
from benchmarks.service import Running, run_service
from components.features.load import load_encoder
from components.stage.command import exit_on_error
from components.stage.errors import RunError
from components.store.decode import decode_square
from components.store.store import SPLITS, Store
from serving.embedding import OnnxNetwork

CLIENTS = (1, 8, 32)
ROUTES = ("/embed", "/search", "/classify")
BATCHES = (1, 8, 32)
BLOCK = 1000  # requests between two readings of the memory
WARM = 2000  # requests before the first of them


def main() -> None:
    """Measure, print a line per measurement, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=1000, help="for each route and number of clients")
    parser.add_argument("--memory-requests", type=int, default=20_000)
    parser.add_argument("--store", type=Path, default=Path("data/store"))
    parser.add_argument("--encoder", type=Path, default=Path("models/encoder"))
    asked = parser.parse_args()
    with exit_on_error("load"):
        store = Store(asked.store)
        images = store.read_group(store.find_groups(SPLITS)[0])
        networks = measure_networks(asked.encoder, images)
        with run_service() as running:
            load_before = os.getloadavg()[0]
            routes = measure_routes(running, images, asked.requests)
            memory = measure_memory(running, images, asked.memory_requests)
        settings = {"requests": asked.requests, "load_before": round(load_before, 1)}
        record = {"settings": settings, "networks_ms": networks, "routes": routes, "memory": memory}
        write_record("load", record, "fastapi", "uvicorn", "onnxruntime", "torch", "numpy")


def measure_networks(folder: Path, images: list[bytes]) -> dict[str, dict[str, float]]:
    """Measure the milliseconds of CPU that a batch takes by each library."""
    torch.set_num_threads(1)
    loaded = load_encoder(folder)
    shape = loaded.config.images
    onnx = OnnxNetwork(folder, shape, 1)

    def by_torch(squares: np.ndarray) -> Any:
        with torch.inference_mode():
            return loaded.compute_features(torch.from_numpy(squares))

    found: dict[str, dict[str, float]] = {"onnxruntime": {}, "torch": {}}
    options: Any = {"side": shape.side, "channels": shape.channels, "deep": shape.deep}
    for size in BATCHES:
        squares = np.stack([decode_square(encoded, **options) for encoded in images[:size]])
        for name, network in (("onnxruntime", onnx), ("torch", by_torch)) * 2:  # the second round counts
            began = time.process_time()
            for _ in range(200):
                network(squares)
            found[name][str(size)] = round(1000 * (time.process_time() - began) / 200, 4)
    print(found, flush=True)
    return found


def measure_routes(running: Running, images: list[bytes], count: int) -> dict[str, dict[str, dict[str, float]]]:
    """Measure every route with every number of clients."""
    measured: dict[str, dict[str, dict[str, float]]] = {}
    for route in ROUTES:
        ask_in_process(running.address, [route], images, 1, 100)
        for clients in CLIENTS:
            used = running.measure_seconds()
            times = 1000 * np.array(ask_in_process(running.address, [route], images, clients, count))  # ms
            used = running.measure_seconds() - used
            found = {f"p{part}_ms": round(float(np.percentile(times, part)), 2) for part in (50, 95, 99)}
            found["requests_per_second"] = round(clients * 1000 / float(times.mean()), 1)
            found["service_cpu_ms"] = round(1000 * used / count, 2)
            measured.setdefault(route, {})[str(clients)] = found
            print(route, clients, found, flush=True)
    return measured


def measure_memory(running: Running, images: list[bytes], count: int) -> dict[str, Any]:
    """Read the memory while further requests are answered. Raises RunError if a request is not."""
    ask_in_process(running.address, list(ROUTES), images, CLIENTS[-1], WARM)
    readings = [round(running.measure_memory(), 1)]
    for _ in range(count // BLOCK):
        ask_in_process(running.address, list(ROUTES), images, CLIENTS[-1], BLOCK)
        readings.append(round(running.measure_memory(), 1))
    half = len(readings) // 2
    change = float(np.mean(readings[half:]) - np.mean(readings[:half]))
    print(f"memory: {readings[0]} MB, {readings[-1]} MB after {count:,} requests", flush=True)
    return {"requests": count, "mb": readings, "change_of_the_mean_of_halves_mb": round(change, 1)}


def ask_in_process(address: str, routes: list[str], images: list[bytes], clients: int, count: int) -> list[float]:
    """Ask so many requests in another process, and return the seconds of each. Raises RunError."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=ask_all, args=(sender, address, routes, images, clients, count))
    process.start()
    sender.close()
    try:
        times: list[float] = receiver.recv()
    except EOFError:
        times = []
    process.join()
    if len(times) < count // clients * clients:
        raise RunError(f"only {len(times)} of {count} requests were answered")
    return times


def ask_all(sender: Any, address: str, routes: list[str], images: list[bytes], clients: int, count: int) -> None:
    """Let clients ask at the same time, and send the seconds of each request."""
    times: list[float] = []
    threads = [
        threading.Thread(target=ask_some, args=(address, routes, images[number:], count // clients, times))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.send(times)


def ask_some(address: str, routes: list[str], images: list[bytes], count: int, times: list[float]) -> None:
    """Ask one request after the other over one connection; what is not answered by 200 does not count."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    for route, image, _ in zip(itertools.cycle(routes), itertools.cycle(images), range(count), strict=False):
        began = time.perf_counter()
        connection.request("POST", route, image, {"Content-Type": "image/png"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            times.append(time.perf_counter() - began)
    connection.close()


if __name__ == "__main__":
    main()
