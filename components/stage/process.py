"""Ends a process with the process that it works for: a worker with its stage, a stage with the DVC that runs it."""

import multiprocessing
import os
import sys
import time
from threading import Thread

import psutil

STAGE = "DVC_STAGE"  # DVC names the stage in the environment of all that it starts
LOOK_SECONDS = 1.0
REAPERS = ("init", "launchd", "systemd")  # whose children orphans become


def end_with_parent(_worker: int = 0) -> None:
    """Let this process end with its parent: it would wait for ever for work, or for somebody to read what it writes.

    A loader of torch calls this with the worker's number.
    """
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


def end_with_dvc(stage: str) -> None:
    """Let a stage end when the DVC that runs it is gone: DVC, killed or sent SIGTERM, leaves its stages running.

    DVC may be far above, behind a shell and a launcher such as torchrun. A stage that was begun by hand is left alone,
    so that it outlives a terminal if it was begun with `nohup`.
    """
    if STAGE not in os.environ:
        return
    dvc = find_dvc()

    def wait() -> None:
        while dvc is not None and runs(dvc):
            time.sleep(LOOK_SECONDS)
        print(f"{stage}: ended, because the DVC that ran it is gone", file=sys.stderr, flush=True)
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def runs(process: psutil.Process) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def find_dvc() -> psutil.Process | None:
    """Find the DVC that runs this process: the nearest process above whose environment does not name a stage.

    None if DVC was gone before: then the machine's first process, or another that takes orphans in, stands there.
    """
    below = psutil.Process()
    for above in below.parents():
        try:
            if STAGE in above.environ():
                below = above
                continue
        except psutil.Error:  # of another user, as a cluster's daemon: that is who runs this
            pass
        is_reaper = above.pid == 1 or above.name() in REAPERS
        return None if is_reaper and os.getsid(above.pid) != os.getsid(below.pid) else above
    return None
