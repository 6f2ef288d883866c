"""Reports the outcome of a run: a line of JSON in a file, and the same by POST to a webhook.

`notify:` in params.yaml says which events, which file and which address. It is read as it stands, not checked with the
other sections, because a params.yaml that is refused has to be reported too. A message that cannot be delivered costs a
line in the log; it never changes how a run ends. No message holds a password or token.
"""

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from pipelines.disk import name_file
from pipelines.errors import CANCELLED as CANCELLED_STATUS
from pipelines.errors import BusyError, EndedError, GraphError, Say, StageError
from pipelines.secrets import mask

FAILED, CRASHED, CANCELLED = "failed", "crashed", "cancelled"
TOLD = Path(".dvc", "tmp", "told")  # one file per attempt of a Prefect flow run, so that each is reported once
MARKS = 200  # that stay, and locks of marks, each run having one of both
SECTION = re.compile(r"^notify:.*\n(?:(?:[ #].*)?\n)*", re.MULTILINE)
MOST_CHARACTERS = 1_000_000  # of params.yaml, as the check of it allows (components/stage/yaml_file.py)
TRIES, SECONDS = 2, 3.0  # per webhook and per try; a cancelled run has to end within 10 s


@dataclass(frozen=True)
class Event:
    """The outcome of one run, as it is reported."""

    kind: str
    flow: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None  # Prefect's id of the run
    attempt: int = 1  # of that run, which can be retried from Prefect's page


def tell(root: Path, event: Event, say: Say) -> None:
    """Report an event to the file and the webhook that params.yaml names; the same flow run is never reported twice."""
    with _log_errors(event, say):
        settings = _read_settings(root / "params.yaml")
        if event.kind in settings["events"]:
            with _mark_told(root, event) as is_new:
                if is_new:
                    _deliver(root, event, settings, say)


def _read_settings(path: Path) -> Mapping[str, Any]:
    """Read the section alone: what else stands there may be what the run failed of, such as values without number.

    Raises ValueError or OSError.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        section = SECTION.search(f"{file.read(MOST_CHARACTERS)}\n")
    if section is None:
        raise ValueError(f"{path.name}: no section notify")
    # In Python alone: the parser in C dies of too many brackets.
    settings: Mapping[str, Any] = YAML(typ="safe", pure=True).load(section[0])["notify"]
    return settings


def _deliver(root: Path, event: Event, settings: Mapping[str, Any], say: Say) -> None:
    """Write the message to the file and post it to the webhook; if one of them fails, the other still gets it."""
    message = _build_message(root, event)
    with _log_errors(event, say):
        if settings["file"]:
            _append(root / settings["file"], message)
    with _log_errors(event, say):
        if address := _resolve_address(settings["webhook"]):
            _post(address, message)


@contextmanager
def _log_errors(event: Event, say: Say) -> Iterator[None]:
    """Turn an error inside the block into one line of the log."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or repr(error)
        say(mask(f"nobody could be told that {event.flow} {event.kind}: {reason}"))


@contextmanager
def _mark_told(root: Path, event: Event) -> Iterator[bool]:
    """Yield whether this attempt of the flow run is still to be reported, then mark it as reported.

    Prefect's hooks and the flow itself may both report it, whichever of them is still alive; the mark is set last.
    """
    if event.run is None:
        yield True
        return
    (root / TOLD).mkdir(parents=True, exist_ok=True)
    _forget_old_marks(root / TOLD)
    mark = root / TOLD / f"{event.run}-{event.attempt}"
    with FileLock(mark.with_suffix(".lock")):
        yield not mark.exists()
        mark.touch()


def _forget_old_marks(folder: Path) -> None:
    """Remove the oldest marks and their locks: if a run is reported again, it was the last one."""
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:-MARKS]:
        path.unlink(missing_ok=True)


def _build_message(root: Path, event: Event) -> dict[str, Any]:
    """Build the JSON message; its `text` says everything in one line, as chat programs show it."""
    message = {
        "text": f"{root.name}: {event.flow} {event.kind}: {event.text}",
        "event": event.kind,
        "flow": event.flow,
        "project": root.name,
        "host": socket.gethostname(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": event.run,
        **event.details,
    }
    return {key: _mask_inside(value) for key, value in message.items()}


def _mask_inside(value: Any) -> Any:
    """Hide passwords and tokens in a text, or in the texts of a list."""
    if isinstance(value, list):
        return [_mask_inside(inner) for inner in value]
    return mask(value) if isinstance(value, str) else value


def _append(path: Path, message: Mapping[str, Any]) -> None:
    """Append the message to the file as one line of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with name_file(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


def _resolve_address(webhook: str | None) -> str | None:
    """Return the webhook's address; None if there is none or its environment variable is not set here."""
    return os.environ.get(webhook[1:]) if webhook and webhook.startswith("$") else webhook


def _post(address: str, message: Mapping[str, Any]) -> None:
    """Post the message. Raises httpx.HTTPError; its message never contains the address, which may be a secret."""
    import httpx  # here only: few runs have a webhook

    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise httpx.HTTPError("the webhook's address is not a URL") from None
    for tries_left in reversed(range(TRIES)):
        try:
            response = httpx.post(url, json=message, timeout=SECONDS)
        except httpx.HTTPError as error:
            if not tries_left:
                raise httpx.HTTPError(f"the webhook cannot be reached: {type(error).__name__}") from None
            continue
        if response.is_success:
            return
        if response.status_code < 500 or not tries_left:
            raise httpx.HTTPError(f"the webhook answered {response.status_code}")


@contextmanager
def tell_failures(root: Path, flow: str, say: Say, run: str | None = None, attempt: int = 1) -> Iterator[None]:
    """Report whatever exception ends the block, and raise it again."""
    try:
        yield
    except BaseException as error:
        if (kind := classify_error(error)) is not None:
            last_lines = error.last_lines if isinstance(error, StageError) else ()
            reason = str(error) if isinstance(error, Exception) else ""
            text = "; ".join([*last_lines, reason or "ended by a signal"])
            tell(root, Event(kind, flow, text, run=run, attempt=attempt), say)
        raise


def classify_error(error: BaseException) -> str | None:
    """Return the kind of event that an error at the end of a run means; None if the run never began."""
    if isinstance(error, BusyError):
        return None
    if isinstance(error, StageError):
        return CANCELLED if error.status == CANCELLED_STATUS else FAILED
    if isinstance(error, GraphError):
        return FAILED
    ended = isinstance(error, EndedError) or not isinstance(error, Exception)  # SIGINT or SIGTERM, whoever sent it
    return CANCELLED if ended else CRASHED
