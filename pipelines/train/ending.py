"""Prints the lines of a command, and reports the error that ends it."""

import sys

from pipelines.errors import (
    CANCELLED,
    OTHER_ERROR,
    USER_ERROR,
    BusyError,
    EndedError,
    GraphError,
    LockedError,
    RevisionError,
    StageError,
)
from pipelines.secrets import mask

KEPT = "; finished stages are kept, and an unfinished pretraining goes on from its last checkpoint, if it has one"
EXPECTED = (BusyError, EndedError, GraphError, RevisionError, StageError, OSError, KeyboardInterrupt)


def report_error(error: BaseException, kept: str = "") -> int:
    """Print the error that ended a command, one of EXPECTED, as a line on stderr, and return the exit status.

    `kept` is the end of the line about a command that somebody has ended.
    """
    line, status = _describe(error)
    print(f"{line}{kept}" if status == CANCELLED else line, file=sys.stderr)
    return status


def _describe(error: BaseException) -> tuple[str, int]:
    """Describe an expected error in a line, with its exit status."""
    match error:
        case EndedError() | KeyboardInterrupt():
            return "interrupted", CANCELLED
        case LockedError() | BusyError():
            return str(error), OTHER_ERROR
        case GraphError():
            return f"dvc.yaml: {error}", USER_ERROR
        case RevisionError():
            return str(error), USER_ERROR
        case StageError(status=status):
            line = "cancelled" if status == CANCELLED else str(error)
            return line, status if status in (CANCELLED, USER_ERROR) else OTHER_ERROR
        case OSError(filename=None):
            return str(error), OTHER_ERROR
        case OSError(filename=path):
            return f"{path}: {error.strerror}", OTHER_ERROR
    raise error


def say(line: str) -> None:
    """Print a line on standard output at once."""
    print(mask(line), flush=True)
