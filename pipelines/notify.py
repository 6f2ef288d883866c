"""Who is told what became of a run: a line of JSON in a file, and the same by POST to a webhook.

`notify:` in params.yaml says which events, which file and which address. It is read as it stands, not as checked with
the rest, since a params.yaml that is refused is something to be told, too. A message that does not get through is worth
a line in the log and no more: no run ends otherwise because of it.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from pipelines.errors import CANCELLED as CANCELLED_STATUS
from pipelines.errors import BusyError, EndedError, GraphError, Say, StageError

FAILED, CRASHED, CANCELLED = "failed", "crashed", "cancelled"
TOLD = Path(".dvc", "tmp", "told")  # a file a flow run of Prefect's: of each, one message
TRIES, SECONDS = 2, 3.0  # of a webhook; a run that was cancelled has to be over within ten


@dataclass(frozen=True)
class Event:
    """What became of one run."""

    kind: str
    flow: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None  # Prefect's id
    attempt: int = 1  # of that run, which Prefect's page can begin again


def tell(root: Path, event: Event, say: Say) -> None:
    """To all who are to know; of the same flow run nothing is told twice."""
    with _reported(event, say):
        wanted = YAML(typ="safe").load(root / "params.yaml")["notify"]
        if event.kind in wanted["events"]:
            with _once(root, event) as to_be_told:
                if to_be_told:
                    _deliver(root, event, wanted, say)


def _deliver(root: Path, event: Event, wanted: Mapping[str, Any], say: Say) -> None:
    """To each by itself: where the disk is full, the webhook is told all the same."""
    message = _message(root, event)
    with _reported(event, say):
        if wanted["file"]:
            _append(root / wanted["file"], message)
    with _reported(event, say):
        if address := _address(wanted["webhook"]):
            _post(address, message)


@contextmanager
def _reported(event: Event, say: Say) -> Iterator[None]:
    """An error inside is a line and no more."""
    try:
        yield
    except Exception as error:
        say(f"nobody could be told that {event.flow} {event.kind}: {' '.join(str(error).split()) or repr(error)}")


@contextmanager
def _once(root: Path, event: Event) -> Iterator[bool]:
    """Prefect's hooks and the flow itself may both tell, whichever of them is still alive; the mark comes last."""
    if event.run is None:
        yield True
        return
    (root / TOLD).mkdir(parents=True, exist_ok=True)
    mark = root / TOLD / f"{event.run}-{event.attempt}"
    with FileLock(mark.with_suffix(".lock")):
        yield not mark.exists()
        mark.touch()


def _message(root: Path, event: Event) -> dict[str, Any]:
    """`text` says it all in a line, as chat programs show it."""
    return {
        "text": f"{root.name}: {event.flow} {event.kind}: {event.text}",
        "event": event.kind,
        "flow": event.flow,
        "project": root.name,
        "host": socket.gethostname(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": event.run,
        **event.details,
    }


def _append(path: Path, message: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(message) + "\n")


def _address(webhook: str | None) -> str | None:
    """None where there is none, on this machine at least."""
    return os.environ.get(webhook[1:]) if webhook and webhook.startswith("$") else webhook


def _post(address: str, message: Mapping[str, Any]) -> None:
    """Raises httpx.HTTPError. The address, which may be a secret, is in no message."""
    import httpx  # here only: few runs have somebody to tell

    for tries_left in reversed(range(TRIES)):
        try:
            answer = httpx.post(address, json=message, timeout=SECONDS)
        except httpx.HTTPError as error:
            if not tries_left:
                raise httpx.HTTPError(f"the webhook cannot be reached: {type(error).__name__}") from None
            continue
        if answer.is_success:
            return
        if answer.status_code < 500 or not tries_left:
            raise httpx.HTTPError(f"the webhook answered {answer.status_code}")


@contextmanager
def telling(root: Path, flow: str, say: Say, run: str | None = None, attempt: int = 1) -> Iterator[None]:
    """Inside, whatever ends the run is told."""
    try:
        yield
    except BaseException as error:
        if (kind := kind_of(error)) is not None:
            said = error.said if isinstance(error, StageError) else ()
            why = str(error) if isinstance(error, Exception) else ""
            text = "; ".join([*said, why or "ended by a signal"])
            tell(root, Event(kind, flow, text, run=run, attempt=attempt), say)
        raise


def kind_of(error: BaseException) -> str | None:
    """What it means that a run ended with this; None where it never began."""
    if isinstance(error, BusyError):
        return None
    if isinstance(error, StageError):
        return CANCELLED if error.status == CANCELLED_STATUS else FAILED
    if isinstance(error, GraphError):
        return FAILED
    ended = isinstance(error, EndedError) or not isinstance(error, Exception)  # by a signal, whoever sent it
    return CANCELLED if ended else CRASHED
