"""The process of a Prefect server that this project starts: `python -m pipelines.flows.api PORT`.

It listens on this machine only, behind the door (door.py), and asks for the password in PREFECT_API_AUTH_STRING. Port 0
is any free port. With `--temporary` it is as small as the server that Prefect starts for a single flow: no page and no
schedules. It prints a line when it has its port, and one when it is ready.
"""

import argparse
import contextlib
import os
import socket

import uvicorn

from pipelines.flows import environment
from pipelines.flows.door import Door

HOST = "127.0.0.1"
AT_PORT, READY = "Prefect's server has port ", "Prefect's server is ready"
GOODBYE_SECONDS = 2  # for requests that are being answered when it ends


class AnnouncedServer(uvicorn.Server):
    """Says when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        print(READY, flush=True)


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.flows.api")
    parser.add_argument("port", type=int)
    parser.add_argument("--temporary", action="store_true", help="without a page and schedules")
    arguments = parser.parse_args()
    os.umask(0o077)  # Prefect's database, which it may create, is for its user alone
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, arguments.port))
    port = listener.getsockname()[1]
    print(f"{AT_PORT}{port}", flush=True)
    origins = environment.read_origins()
    configure_prefect(port, temporary=arguments.temporary)
    from prefect.server.api.server import create_app  # here only: Prefect reads its settings when it is imported

    app = Door(create_app(ephemeral=arguments.temporary, final=True), origins)
    level = "error" if arguments.temporary else "warning"
    config = uvicorn.Config(app, log_level=level, lifespan="on", timeout_graceful_shutdown=GOODBYE_SECONDS)
    with contextlib.suppress(KeyboardInterrupt):
        AnnouncedServer(config).run(sockets=[listener])
    os._exit(0)  # the database is closed: Python would only take Prefect's modules apart, for seconds


def configure_prefect(port: int, *, temporary: bool) -> None:
    """Set what Prefect's server reads from the environment: the password, no foreign pages, and what it serves."""
    os.environ |= {
        "PREFECT_SERVER_API_AUTH_STRING": os.environ[environment.AUTH],
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(environment.read_origins()),
        "PREFECT_SERVER_UI_ENABLED": str(not temporary),
        "PREFECT_UI_API_URL": "/api",  # of the page's own address, which is another one at the end of a tunnel
        environment.URL: f"http://{HOST}:{port}/api",
    }
    if temporary:
        del os.environ[environment.URL]  # as Prefect's own temporary server has it


if __name__ == "__main__":
    main()
