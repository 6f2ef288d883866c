"""Makes the password of a Prefect server that this project starts, and keeps it in a file of its user alone.

It is new at every start, so that whoever takes the port while no server runs learns nothing of use. It is on no command
line and in no log: processes get it in their environment, people from the file.
"""

import os
import secrets
from pathlib import Path

from pipelines.errors import USER_ERROR, StageError
from pipelines.flows import environment

HOME = "name another folder in PREFECT_HOME"
CHOSEN = "PREFECT_SERVER_API_AUTH_STRING"


def make_password() -> str:
    """Make a new password, written as `user:password`, as programs such as curl want it."""
    return f"admin:{secrets.token_urlsafe(24)}"


def choose_password() -> str:
    """Return the password that the user has chosen for this server, or a new one. Raises StageError."""
    chosen = environment.read_setting(CHOSEN)
    if chosen and not (chosen.isascii() and chosen.isprintable()):
        raise StageError(f"{CHOSEN}: letters of ASCII only, as Prefect compares no others", USER_ERROR)
    return chosen or make_password()


def write_password(password: str, path: Path) -> Path:
    """Write the password to a file that only its user can read, and return the path. Raises StageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        # O_EXCL: not into a file or through a link that somebody has put there meanwhile.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            if os.fstat(descriptor).st_mode & 0o077:
                path.unlink()
                raise StageError(f"{path}: on this disk everybody could read the password; {HOME}", USER_ERROR)
            file.write(f"{password}\n")
    except OSError as error:
        raise StageError(f"{path}: {error.strerror}; {HOME}", USER_ERROR) from None
    return path
