"""`python -m serving`: serve search, classification and embedding over HTTP, and a page.

It serves this checkout, or a version of the registry. Exit status: 0 ended as it was told, 2 something is missing or
wrong, 1 anything else.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from components.flows.serving import Serving
from components.stage.command import PARAMS_FILE, exit_on_error, read_params
from components.stage.errors import InputError
from components.stage.types import describe_mistake
from serving.app import create_app
from serving.connection import make_protocol
from serving.decoders import Decoders
from serving.door import HEAD_BYTES, tell
from serving.guard import Guard, is_address, is_local
from serving.labelling.labelling import Labelling, open_labelling
from serving.metrics import Metrics
from serving.places import find_places
from serving.registered import Registered
from serving.served import Loader
from serving.service import Service
from serving.watch import Checkout, Source, load_checked, watch

TOKEN = "SERVING_TOKEN"  # the environment variable
SHORTEST = 16  # characters of a token


def main() -> None:
    """Read the command line, and serve."""
    asked = parse()
    with exit_on_error("serving"):
        params = read_params(PARAMS_FILE)
        settings: Serving = params.serving
        changed = {name: value for name in ("host", "port", "threads") if (value := getattr(asked, name)) is not None}
        settings = change(settings, changed)
        token, made = find_token(asked.token_file, settings.host)
        listener = listen(settings.host, settings.port)
        torch.set_num_threads(settings.threads)
        names = frozenset(name.lower() for name in ("localhost", settings.host, *asked.name) if not is_address(name))
        labelling = open_labelling(Path.cwd(), params)
        source, guard = choose_source(asked, params.promote.artifact), Guard(names, token)
        try:
            serve(settings, params.data.limits.max_pixels, source, guard, labelling, listener, made)
        finally:
            source.close()


def parse() -> argparse.Namespace:
    """Parse the command line; what is not given stands in params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", help="the address to listen on; any but this machine's own only with a token")
    parser.add_argument("--port", type=int, help="0: any that is free")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--stage", help="serve the version that holds it, such as prod, and whichever holds it later")
    which.add_argument("--version", help="serve a version of the registry, such as v0.3.0")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument("--name", action="append", default=[], help="a name by which clients call this machine")
    parser.add_argument("--token-file", type=Path, help=f"holds the token; or the environment variable {TOKEN}")
    return parser.parse_args()


def change(settings: Serving, changed: dict[str, Any]) -> Serving:
    """Change settings by what the command line says. Raises InputError."""
    try:
        return Serving.model_validate(settings.model_dump() | changed)
    except ValidationError as error:
        raise InputError(f"--{describe_mistake(error)}") from None


def find_token(path: Path | None, host: str) -> tuple[str | None, bool]:
    """Find the token in the file or the environment; for any host but this machine's own, make one if there is none.

    Returns the token and whether it was made here. Raises InputError.
    """
    token = os.environ.get(TOKEN)
    if path is not None:
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', 'not text')}") from None
    if token is not None and (len(token) < SHORTEST or not token.isascii() or any(sign.isspace() for sign in token)):
        raise InputError(f"{path or TOKEN}: a token is {SHORTEST} characters or more, of ASCII and without spaces")
    if token is None and not is_local(host):
        return secrets.token_urlsafe(24), True
    return token, False


def choose_source(asked: argparse.Namespace, artifact: str) -> Source:
    """Choose where versions come from. Raises InputError."""
    root = Path.cwd()
    if asked.stage is not None or asked.version is not None:
        return Registered(root, artifact, stage=asked.stage, version=asked.version)
    return Checkout(find_places(root))


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address before anything else is done. Raises InputError if that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)  # with the protocol, or asyncio leaves out TCP_NODELAY
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{host}, port {port}: {reason}; --port or --host names another") from None
    return listener


def serve(
    params: Serving,
    stored_pixels: int,
    source: Source,
    guard: Guard,
    labelling: Labelling,
    listener: socket.socket,
    made: bool,
) -> None:
    """Serve until a signal ends it. Raises InputError if there is nothing to serve."""
    metrics, threads = Metrics(), ThreadPoolExecutor(1, "network")
    loader = Loader(params, metrics, threads)
    served, look = load_checked(source, loader, params.health)
    service = Service(params, stored_pixels, metrics, Decoders(params, metrics), served)
    service.swap(served)

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        await service.decoders.start()
        watching = asyncio.create_task(watch(service, source, loader, look))
        say_where(listener, guard, made)
        tell("serving", version=served.version, weights=served.weights, lacks=served.lacks)
        yield
        watching.cancel()
        source.close()
        await service.decoders.stop()
        labelling.expected.close()

    server = uvicorn.Server(configure(create_app(service, guard, live, labelling), params))
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends by them, and then raises them once more
        signal.signal(number, signal.SIG_IGN)
    server.run(sockets=[listener])


def configure(app: FastAPI, params: Serving) -> uvicorn.Config:
    """Configure uvicorn: its limits, and no log and no headers of its own."""
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "ws": "none"}
    return uvicorn.Config(
        app,
        http=make_protocol(params.limits),
        lifespan="on",
        timeout_graceful_shutdown=int(params.end_seconds),
        h11_max_incomplete_event_size=HEAD_BYTES,
        proxy_headers=False,
        **options,
    )


def say_where(listener: socket.socket, guard: Guard, made: bool) -> None:
    """Print the address; with the token only if it was made here, since nobody knows it then."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    query = f"/?token={guard.token}" if made else "/"
    print(f"http://{shown}:{port}{query}", flush=True)


if __name__ == "__main__":
    main()
