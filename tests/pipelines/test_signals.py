"""Tests that a signal ends a command wherever Python raises its exception, and that nothing interrupts the clean-up."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from pipelines import signals
from pipelines.errors import TERMINATED
from pipelines.signals import heed_signals


class Thing:
    """Something that can be referred to weakly."""


def run_heeding(call: Callable[[], None]) -> None:
    """Call a function as a command would be."""
    with heed_signals():
        call()


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_that_a_weakref_callback_loses_still_ends_the_command(
    number: int, error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    def lose() -> None:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(number))
        del thing  # Python prints and forgets what the callback raises
        assert reference() is None
        time.sleep(20)

    with pytest.raises(error):
        run_heeding(lose)
    assert capfd.readouterr().err == "", "and nobody reads of an ignored exception"


def test_a_signal_that_is_caught_by_a_library_still_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LOST_SECONDS", 0.2)

    def swallow() -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        time.sleep(20)

    with pytest.raises(SystemExit) as caught:
        run_heeding(swallow)
    assert caught.value.code == TERMINATED


def test_a_signal_whose_handler_a_library_replaces_still_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect does so while a flow runs, and raises an exception of its own, which may be lost as well."""
    monkeypatch.setattr(signals, "LOST_SECONDS", 0.2)
    came: list[int] = []

    def handle(number: int, _: object) -> None:
        came.append(number)
        if len(came) == 2:
            raise SystemExit

    def replace() -> None:
        signal.signal(signal.SIGTERM, handle)
        signal.raise_signal(signal.SIGTERM)
        time.sleep(20)

    with pytest.raises(SystemExit):
        run_heeding(replace)


def test_the_clean_up_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LOST_SECONDS", 0.2)
    cleaned = threading.Event()

    def clean_up() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            try:
                raise OSError("something that fails while it cleans up")
            except OSError:
                time.sleep(0.4)
                signal.raise_signal(signal.SIGINT)  # too soon for a second one: `timeout` sends two
                time.sleep(0.4)
            cleaned.set()

    with pytest.raises(KeyboardInterrupt):
        run_heeding(clean_up)
    assert cleaned.is_set()


def test_everything_is_as_before_after_it() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook
    threads = threading.active_count()
    with heed_signals():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before
    assert threading.active_count() == threads


SLOW = """
import signal, time
from pipelines.signals import heed_signals
with heed_signals():
    try:
        print("begun", flush=True)
        time.sleep(20)
    finally:
        print("cleaning up", flush=True)
        time.sleep(20)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_command_at_once(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning up\n"
        time.sleep(1.2)
        process.send_signal(number)
        assert process.wait(5) == 128 + number
