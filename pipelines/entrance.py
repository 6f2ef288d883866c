"""Does what every command of pipelines/ does first, so that the machine around it cannot break it later.

Its lines can be printed on any terminal, its traces hold no password, calls to this machine's own servers go through no
proxy, and the folder is one in which Git works.
"""

import io
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType

from pipelines.errors import OTHER_ERROR, USER_ERROR, StageError
from pipelines.secrets import mask

INDEX_SECONDS = 5.0  # that another Git, as an editor's, may hold the index
# httpx, requests, urllib, websockets and curl compare these as texts; httpx knows neither ranges nor [::1].
LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


def prepare_process() -> None:
    """Let every line be printed, and spare this machine's own calls the proxy, here and in all that is started here."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = print_trace
    spare_local_calls()


def print_trace(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the trace of a programming error, without the passwords and tokens in its texts."""
    print(mask("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def spare_local_calls() -> None:
    """Add this machine to NO_PROXY, in both spellings, as some programs read only one; `*` stays alone."""
    if not any(name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name in os.environ):
        return  # without a proxy NO_PROXY would hide the proxies of macOS's settings
    named = [entry for name in ("no_proxy", "NO_PROXY") for entry in re.split(r"[\s,]+", os.environ.get(name, ""))]
    entries = [entry for entry in dict.fromkeys([*named, *LOCAL]) if entry]
    os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), "*" if "*" in entries else ",".join(entries))


def make_git_environment(**added: str) -> dict[str, str]:
    """Return the environment for Git, without what a hook that runs us says of another repository or index."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("GIT_DIR", "GIT_INDEX_FILE")}
    return inherited | added


def find_root() -> Path:
    """Return the project's folder, in which the command was started. Raises StageError if Git cannot work there."""
    root = Path.cwd()
    command = ["git", "rev-parse", "--git-dir"]
    try:
        done = subprocess.run(
            command, cwd=root, env=make_git_environment(LC_ALL="C"), capture_output=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise StageError("git: not installed, and every command here needs it", USER_ERROR) from None
    if found := re.search(r"git config --global --add safe\.directory .*", done.stderr):
        problem = f"belongs to another user, so Git refuses to work there; if you trust it: {found[0]}"
        raise StageError(f"{root}: {problem}", USER_ERROR)
    if done.returncode:
        way = "`git clone` it instead of unpacking an archive, or `git init && git add --all && git commit`"
        raise StageError(f"{root}: not in a Git repository: {way}", USER_ERROR)
    return root


def check_index(root: Path) -> None:
    """Check before hours of work that DVC can stage files in Git at its end. Raises StageError."""
    command = ["git", "rev-parse", "--git-path", "index.lock"]
    done = subprocess.run(command, cwd=root, env=make_git_environment(), capture_output=True, text=True, check=True)
    lock, until = root / done.stdout.strip(), time.monotonic() + INDEX_SECONDS
    while lock.exists():
        if time.monotonic() > until:
            raise StageError(
                f"{lock}: left by a Git that was killed: remove it, if no Git is at work here", OTHER_ERROR
            )
        time.sleep(0.2)
