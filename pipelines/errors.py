"""The errors that end a run, the exit statuses of the commands, and the type of what a run prints its lines with.

Every command of pipelines/ stands on this file, so it imports none of them.
"""

from collections.abc import Callable, Sequence

from pipelines.secrets import mask

Say = Callable[[str], None]  # prints or logs one line

OTHER_ERROR, USER_ERROR = 1, 2  # exit statuses; USER_ERROR: the user's input is wrong
TIMED_OUT, CANCELLED, TERMINATED = 124, 130, 143  # as `timeout` and, for SIGINT and SIGTERM, shells have them


class ToldError(Exception):
    """An error whose message is told: on the terminal, in Prefect, to a webhook. It holds no password and no token."""

    def __init__(self, message: object) -> None:
        super().__init__(mask(str(message)))


class StageError(ToldError):
    """A stage failed; `status` is its exit status, `last_lines` the end of its output."""

    def __init__(self, message: str, status: int, last_lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.last_lines = tuple(map(mask, last_lines))

    @property
    def is_retryable(self) -> bool:
        """Whether another try may succeed: after a crash, not after wrong input, a time limit or a cancellation."""
        return self.status not in (USER_ERROR, TIMED_OUT, CANCELLED)


class DamageError(StageError):
    """Files that DVC keeps are not what dvc.lock names; the message says which, and how to get them back."""

    def __init__(self, message: str) -> None:
        super().__init__(message, OTHER_ERROR)

    @property
    def is_retryable(self) -> bool:
        """Whether another try may succeed: a damaged file stays damaged."""
        return False


class GraphError(ToldError):
    """DVC cannot read the pipeline; the message is DVC's, in one line."""


class LockedError(GraphError):
    """Another DVC process holds the lock of the repository or of one of its files."""


class RevisionError(ToldError):
    """A revision cannot be read; the message is one line that says why and what would help."""


class BusyError(Exception):
    """Another retraining is at work in this checkout, or another process serves it."""


class TimeLimitError(Exception):
    """A command ran past its time limit and was ended."""


class EndedError(Exception):
    """A command was ended, or not even started, because the flow is ending."""
