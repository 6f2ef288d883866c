"""Starts one Prefect server that all tests share."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipelines import tiny

RUNNING = {"type": {"any_": ["RUNNING"]}}


class Server:
    """A Prefect server that runs in its own process."""

    def __init__(self, url: str, password: Path | None = None) -> None:
        """`password`: the file with the password of a server that the project has started."""
        self.url, self.password = url, password

    def ask(self, path: str, **body: Any) -> Any:
        """Post a request to the server and return its answer."""
        answer = httpx.post(f"{self.url}/{path}", json=body, timeout=30, auth=self.read_auth())
        answer.raise_for_status()
        return answer.json()

    def read_auth(self) -> tuple[str, str] | None:
        """Read the user and the password that the server asks for."""
        if self.password is None:
            return None
        user, _, secret = self.password.read_text().strip().partition(":")
        return user, secret

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def read_last_flow_run(self) -> Any:
        """Return the running flow run that began last; None if none is running."""
        runs = self.ask("flow_runs/filter", sort="START_TIME_DESC", limit=1, flow_runs={"state": RUNNING})
        return runs[0] if runs else None


def find_free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server without its page and with its own database."""
    home = tmp_path_factory.mktemp("prefect")
    port = find_free_port()
    environment = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)],
            env=tiny.build_environment(**environment),
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://127.0.0.1:{port}/api")

    try:
        tiny.wait_for(server.is_ready, 120)
        yield server
    finally:
        tiny.kill_tree(process)
