"""Lets no run end because what it prints finds no room or no reader: one line says so, if that can be said.

The room is that of a full disk, as in `dvc repro > log.txt 2>&1`, and the reader is gone after `dvc repro | head`.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any

from components.stage.disk import OF_THE_DISK

LOSSES = (*OF_THE_DISK, errno.EPIPE)


class Patient(io.RawIOBase):
    """Passes bytes on to a file, and drops those for which there is no room or no reader."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw, self.said = raw, False

    def writable(self) -> bool:  # noqa: D102
        return True

    def fileno(self) -> int:  # noqa: D102
        return self.raw.fileno()

    def isatty(self) -> bool:  # noqa: D102
        return self.raw.isatty()

    def write(self, data: object) -> int:  # noqa: D102
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            return self.raw.write(view) or 0
        except OSError as error:
            if error.errno not in LOSSES:
                raise
            said, self.said = self.said, True
            if not said:
                with suppress(OSError):  # stderr may go to the same place
                    print(f"warning: what is printed is lost: {os.strerror(error.errno)}", file=sys.stderr, flush=True)
            return view.nbytes


def print_patiently() -> None:
    """Drop what cannot be printed; what the terminal's encoding lacks is printed as an escape."""
    sys.stdout, sys.stderr = make_patient(sys.stdout), make_patient(sys.stderr)


def make_patient(stream: Any) -> Any:
    """Return a stream that writes to the same file patiently; a stream that writes to no file is returned itself."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffer: Any = stream.buffer
    raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED puts no buffer in between
    if isinstance(raw, io.FileIO):
        stream.flush()
        patient: Any = Patient(raw) if raw is buffer else io.BufferedWriter(Patient(raw))
        stream = io.TextIOWrapper(
            patient, stream.encoding, line_buffering=stream.line_buffering, write_through=stream.write_through
        )
    stream.reconfigure(errors="backslashreplace")
    return stream
