"""What can end a run, the exit status that each end has, and what a run says its lines to.

Every command of pipelines/ stands on this file, so it imports none of them.
"""

from collections.abc import Callable, Sequence

Say = Callable[[str], None]  # takes one line: print, or a log

OTHER_ERROR, USER_ERROR = 1, 2  # exit statuses; 2: the user's input is wrong
TIMED_OUT, CANCELLED, TERMINATED = 124, 130, 143  # as `timeout` has it; as shells have it of SIGINT and SIGTERM


class StageError(Exception):
    """A stage failed; `status` is its exit status, `said` its last lines."""

    def __init__(self, message: str, status: int, said: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.said = tuple(said)

    @property
    def may_pass(self) -> bool:
        """Whether the same again may end otherwise: after a crash, not after what the user did or has to put right."""
        return self.status not in (USER_ERROR, TIMED_OUT, CANCELLED)


class GraphError(Exception):
    """DVC cannot read the pipeline; the message is DVC's, in one line."""


class LockedError(GraphError):
    """Another DVC holds the repository or a file of it."""


class RevisionError(Exception):
    """A revision cannot be read; the message is one line that says why and what would help."""


class BusyError(Exception):
    """Another retraining is at work in this checkout, or another process serves it."""


class TimeLimitError(Exception):
    """A command ran past its time limit and was ended."""


class EndedError(Exception):
    """A command was ended, or not even started, because the flow is ending."""
