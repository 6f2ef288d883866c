"""The error for a network that cannot be: whoever builds it knows which file described it."""

import contextlib
import traceback
from collections.abc import Iterator

from components.stage.shown import escape, shorten

LONGEST = 300  # characters of another library's message


class NetworkError(Exception):
    """Says in one line why there is no such network, and which key of the encoder is wrong, if it is a single one."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key

    def locate(self, place: str) -> str:
        """Return the line for the encoder that is described at this place of a file."""
        return f"{place}.{self.key}: {self}" if self.key else f"{place}: {self}"


@contextlib.contextmanager
def explain(what: str, key: str = "") -> Iterator[None]:
    """Turn whatever another library or the user's own code raises into a NetworkError that begins with `what`."""
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:  # they raise whatever they like: AssertionError, KeyError, TypeError ...
        source = traceback.extract_tb(error.__traceback__)[-1].line or "no message"  # for an assert without words
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [source]
        said = escape(shorten(lines[0], LONGEST))
        raise NetworkError(f"{what}: {type(error).__name__}: {said}", key) from error
