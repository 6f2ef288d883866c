"""Looks for a new version, loads it beside the one that is served, checks it, and lets it take its place.

A version that fails its check is refused with a line and a metric, and the one before goes on being served. Files that
are being written are left alone: they must look the same at two looks, and before and after they were read.
"""

import asyncio
from typing import Protocol

from components.flows.serving import Health
from components.stage.errors import InputError, RunError
from serving.check import check
from serving.door import tell
from serving.places import Places, Sign, find_places
from serving.served import Loader, Served
from serving.service import Service

Look = Sign | str


class Source(Protocol):
    """Where versions come from."""

    def look(self) -> Look:
        """Return what changes when there is a new version, in a moment. Raises InputError or RunError."""
        ...

    def bring(self) -> tuple[Places, str]:
        """Bring the newest version, and return where it lies and what it is called. Raises InputError or RunError."""
        ...


class Checkout:
    """Serves what the last run has left in a checkout."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def look(self) -> Look:
        """Sign the files."""
        return self.places.sign()

    def bring(self) -> tuple[Places, str]:
        """Return where the files lie; what they are called, their weights say."""
        return find_places(self.places.root), ""


def load_checked(source: Source, loader: Loader, health: Health) -> tuple[Served, Look]:
    """Load what a source has now, and check it. Raises InputError or RunError."""
    look = source.look()
    places, version = source.bring()
    served, loaded = loader.load(places, version)
    check(served, loaded, health)
    if source.look() != look:
        raise InputError("the files changed while they were read; a run is writing them")
    return served, look


async def watch(service: Service, source: Source, loader: Loader, begun: Look) -> None:
    """Look for new versions until the service ends."""
    served, before = begun, begun
    while True:
        await asyncio.sleep(service.params.poll_seconds)
        try:
            look = await asyncio.to_thread(source.look)
            settled, before = look == before, look
            if look == served or not settled:
                continue
            served = look  # also if it is refused: it is not tried again before something changes
            new, served = await asyncio.to_thread(load_checked, source, loader, service.params.health)
        except (InputError, RunError, OSError) as error:
            service.metrics.refused.inc()
            tell("refused", text=str(error)[:1000])
            continue
        if new.weights == service.served.weights and new.version == service.served.version:
            tell("reloaded", version=new.version)
        service.swap(new)
        service.metrics.swaps.inc()
        tell("serving", version=new.version, weights=new.weights)
