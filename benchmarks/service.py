"""Starts `python -m serving` for a benchmark, on a free port of this machine, and ends it."""

import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil

from components.stage.errors import RunError

END_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    address: str
    process: psutil.Process

    def measure_memory(self) -> float:
        """Return the resident memory of the service and its decoders, in MB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return float(sum(process.memory_info().rss for process in processes) / 1e6)

    def measure_seconds(self) -> float:
        """Return the seconds of CPU that the service and its decoders have taken."""
        processes = [self.process, *self.process.children(recursive=True)]
        return float(sum(sum(process.cpu_times()[:2]) for process in processes))


@contextmanager
def run_service() -> Iterator[Running]:
    """Run the service, which must end with status 0 when it is told to. Raises RunError."""
    command = [sys.executable, "-m", "serving", "--port", "0"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout
    last: deque[str] = deque(maxlen=20)
    threading.Thread(target=lambda: last.extend(started.stderr or ()), daemon=True).start()
    try:
        if not (address := started.stdout.readline().strip().rstrip("/")):
            raise RunError(f"the service did not start: {' '.join(last)[-500:]}")
        yield Running(address, psutil.Process(started.pid))
    finally:
        started.send_signal(signal.SIGTERM)
        status = started.wait(END_SECONDS)
    if status:
        raise RunError(f"the service ended with status {status}")


def is_alive(client: httpx.Client, image: bytes) -> bool:
    """Whether a service answers a right request."""
    answer = client.post("/embed", content=image, headers={"Content-Type": "image/png"})
    return answer.status_code == 200 and bool(answer.json()["embedding"])
