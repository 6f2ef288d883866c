"""Prints the lines of a command that runs the graph, and reports the error that ends it."""

import sys

from pipelines.errors import CANCELLED, OTHER_ERROR, USER_ERROR, EndedError, GraphError, LockedError, StageError
from pipelines.secrets import mask

KEPT = "finished stages are kept, and pretraining goes on from its last checkpoint"


def report_error(error: BaseException) -> int:
    """Print the error that ended a run as a line on stderr, and return the exit status."""
    if isinstance(error, EndedError | KeyboardInterrupt):
        print(f"interrupted; {KEPT}", file=sys.stderr)
        return CANCELLED
    if isinstance(error, GraphError):
        busy = isinstance(error, LockedError)
        print(error if busy else f"dvc.yaml: {error}", file=sys.stderr)
        return OTHER_ERROR if busy else USER_ERROR
    assert isinstance(error, StageError)
    if error.status == CANCELLED:
        print(f"cancelled; {KEPT}", file=sys.stderr)
        return CANCELLED
    print(error, file=sys.stderr)
    return USER_ERROR if error.status == USER_ERROR else OTHER_ERROR


def say(line: str) -> None:
    """Print a line on standard output at once."""
    print(mask(line), flush=True)
