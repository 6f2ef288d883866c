"""Ends a worker process with the process that started it."""

import multiprocessing
import os
from threading import Thread


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
