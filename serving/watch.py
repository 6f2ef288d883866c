"""Looks for a new version, loads it beside the one that is served, checks it, and lets it take its place.

A version that fails its check is refused with a line and a metric, and the one before goes on being served. Files that
are being written are left alone: they must look the same at two looks, and before and after they were read.
"""

import asyncio
from typing import Protocol

from components.flows.serving import Health
from components.stage.errors import InputError
from serving.check import check
from serving.door import tell
from serving.places import Places, Sign, find_places
from serving.served import Loader, Served
from serving.service import Service

Look = Sign | str
LONGEST_PAUSE = 300.0  # seconds, after failures
SHOWN = 1000  # characters of an error


class Source(Protocol):
    """Where versions come from."""

    def look(self) -> Look:
        """Return what changes when there is a new version, in a moment. Raises InputError or RunError."""
        ...

    def bring(self) -> tuple[Places, str]:
        """Bring the newest version, and return where it lies and what it is called. Raises InputError or RunError."""
        ...

    def close(self) -> None:
        """Remove what was brought."""
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

    def close(self) -> None:
        """Leave the checkout as it is."""


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
    """Look for new versions until the service ends.

    A version that was refused is not tried again before something changes. What failed for another reason, such as a
    remote that does not answer, is tried again after ever longer pauses.
    """
    params = service.params
    tried, before, pause = begun, begun, params.poll_seconds
    while True:
        await asyncio.sleep(pause)
        try:
            look = await asyncio.to_thread(source.look)
            settled, before = look == before, look
            if look == tried or not settled:
                continue
            new, tried = await asyncio.to_thread(load_checked, source, loader, params.health)
        except InputError as error:
            tried, pause = before, params.poll_seconds
            service.metrics.refused.inc()
            tell("refused", text=str(error)[:SHOWN])
            continue
        except Exception as error:  # whatever happens, the version before is served on
            pause = min(2 * pause, max(LONGEST_PAUSE, params.poll_seconds))
            service.metrics.refused.inc()
            tell("refused", text=f"{type(error).__name__}: {error}"[:SHOWN], again_in_seconds=pause)
            continue
        pause = params.poll_seconds
        service.swap(new)
        service.metrics.swaps.inc()
        tell("serving", version=new.version, weights=new.weights, lacks=new.lacks)
