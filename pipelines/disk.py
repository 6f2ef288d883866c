"""Names the file in an error of the disk: a write that finds the disk full does not know which file it writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def name_file(path: Path) -> Iterator[None]:
    """Let an OSError in the block name this file, unless it names one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
