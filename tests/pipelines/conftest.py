"""A server of Prefect's that all tests share."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipelines.flows.server import answers
from tests.pipelines import tiny

RUNNING = {"type": {"any_": ["RUNNING"]}}


class Server:
    """Of Prefect, in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, what: str, **body: Any) -> Any:
        """The newest first."""
        answer = httpx.post(f"{self.url}/{what}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def flow_run(self) -> Any:
        """The last one; None where none has begun."""
        found = self.ask("flow_runs/filter", sort="START_TIME_DESC", limit=1, flow_runs={"state": RUNNING})
        return found[0] if found else None


def free_port() -> int:
    """That nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without its page; a database of its own."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)],
            env=tiny.environment(**environment),
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://127.0.0.1:{port}/api")

    try:
        tiny.wait_for(lambda: answers(server.url), 120)
        yield server
    finally:
        tiny.kill(process)
