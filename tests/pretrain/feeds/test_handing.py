"""A stream whose shared memory is full, as in a container that got 64 MB of it: the run goes on and says why."""

import errno
import multiprocessing

import pytest
import torch

from tests.pretrain.feeds.numbered import collect_batches, open_number_feed

FULL = "unable to allocate shared memory(shm) for file </torch_1_2_0>: No space left on device (28)"


def fill_for_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch find no room, as its own error says it."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(FULL)

    monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", refuse)
    monkeypatch.setattr(torch.UntypedStorage, "_share_filename_cpu_", refuse)


def fill_for_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let not even a lock find room."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(multiprocessing, "Lock", refuse)


@pytest.mark.parametrize(
    ("fill", "said"), [(fill_for_batches, "they go through pipes"), (fill_for_locks, "this process makes them itself")]
)
def test_no_batch_is_lost_where_shared_memory_is_full(
    fill: object, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = collect_batches(open_number_feed(8, 2, 8), 2)
    assert callable(fill)
    fill(monkeypatch)
    assert collect_batches(open_number_feed(8, 2, 8, workers=2), 2) == expected
    [line] = capsys.readouterr().out.splitlines()
    assert said in line
    assert "--shm-size" in line
