"""Lets no run end because what it prints goes to a full disk, as in `dvc repro > log.txt`: one line says so."""

import io
import os
import sys
from typing import Any

from components.stage.disk import OF_THE_DISK


class Patient(io.RawIOBase):
    """Passes bytes on to a file, and drops those for which its disk has no room."""

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
            if error.errno not in OF_THE_DISK:
                raise
            if not self.said:
                print(f"warning: what is printed is lost: {os.strerror(error.errno)}", file=sys.stderr, flush=True)
            self.said = True
            return view.nbytes


def print_patiently() -> None:
    """Drop what cannot be printed; what the terminal's encoding lacks is printed as an escape."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    buffer: Any = sys.stdout.buffer
    raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED puts no buffer in between
    if isinstance(raw, io.FileIO):
        sys.stdout.flush()
        patient: Any = Patient(raw) if raw is buffer else io.BufferedWriter(Patient(raw))
        about = sys.stdout
        sys.stdout = io.TextIOWrapper(
            patient, about.encoding, line_buffering=about.line_buffering, write_through=about.write_through
        )
    sys.stdout.reconfigure(errors="backslashreplace")
