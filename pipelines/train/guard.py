"""Runs a command, and ends all its processes when the process that asked for it dies: `python guard.py GRACE COMMAND`.

A process that is killed cannot end others, so another process has to watch: standard input is a pipe whose other end
the flow holds, and it closes when the flow closes it or dies, by SIGKILL too, on Linux and macOS. DVC starts a shell,
the shell the trainer, the trainer its workers, and torchrun gives each worker its own session: so the guard ends the
whole tree and not only the process group. On Linux orphans stay in the tree (PR_SET_CHILD_SUBREAPER, prctl(2)).

DVC gets SIGINT, on which it releases its locks; everything below it gets SIGTERM; what is left after GRACE seconds gets
SIGKILL. The exit status is the command's, or 143 if the guard ended it.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
ENDED = 128 + signal.SIGTERM


class Guard:
    """Runs one command as a child process, and ends it together with all processes below it."""

    def __init__(self, command: list[str], grace: float) -> None:
        self.grace = grace
        self.ended = False
        self.ending = threading.Lock()
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch(self) -> None:
        """Wait until the flow closes its end of the pipe, then end everything."""
        while os.read(sys.stdin.fileno(), 1):
            pass
        self.end_all()

    def end_all(self) -> None:
        """End the command and the process group, this process included."""
        self.ended = True
        self.end_tree()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(ENDED)

    def end_tree(self) -> None:
        """Send SIGINT to the command and SIGTERM to all below it, and SIGKILL to what does not obey."""
        with self.ending:
            tree = list_descendants()
            for process in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGINT if process.pid == self.child.pid else signal.SIGTERM)
            psutil.wait_procs(tree, timeout=self.grace)
            while stubborn := list_descendants():
                for process in stubborn:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(stubborn, timeout=1)


def list_descendants() -> list[psutil.Process]:
    """List all processes that run below this one."""
    running = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def main() -> None:
    """Run the command until it ends or the flow dies."""
    grace, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    # A background job of a script begins with SIGINT ignored, and so would DVC, which releases its locks on it alone.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    guard = Guard(command, float(grace))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: threading.Thread(target=guard.end_all).start())
    threading.Thread(target=guard.watch, daemon=True).start()
    if sys.platform == "linux":
        # If a fork of the flow keeps the pipe's other end open, this still reports the flow's death. Only from now on
        # the signal ends the command too, and not the guard alone.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    status = guard.child.wait()
    guard.end_tree()
    os._exit(ENDED if guard.ended else status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
