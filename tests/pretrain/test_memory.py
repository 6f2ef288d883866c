"""Memory that does not hold a step: one line that says in how many parts the batch would take less."""

import re
from collections.abc import Iterator

import pytest
import torch

from components.byol.objective import Byol
from components.learning.objective import Batch
from components.pretrain.loop import train
from components.pretrain.memory import explain_lack
from components.stage.command import exit_on_error
from components.stage.errors import RunError
from tests.pretrain.tiny import SameViews, begin_training, draw_pairs
from tests.small import make_settings

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of 79.10 GiB"
with pytest.raises(RuntimeError) as lack_on_the_cpu:
    torch.empty(2**50)
LACKS = [
    MemoryError(),
    torch.OutOfMemoryError(CUDA),
    lack_on_the_cpu.value,
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


class TwoViews:
    """A feed of one step."""

    steps_per_epoch = 1
    maker = SameViews()

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batch."""
        yield draw_pairs(1, batch=12)[0]


def train_a_step(accumulate: int) -> None:
    """Train for a step of 12 images."""
    params = make_settings(batch_size=12, accumulate=accumulate, epochs=1)
    state, engine = begin_training(params)
    train(state, engine, TwoViews(), params, on_step=lambda _: None, on_epoch=lambda *_: None)


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: str(lack)[:30])
def test_a_step_that_the_memory_does_not_hold_ends_with_what_would_take_less(
    lack: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace of an allocation says nothing to whoever only chose a larger batch."""

    def run_out(*_: object) -> None:
        raise lack

    monkeypatch.setattr(Byol, "loss", run_out)
    with pytest.raises(SystemExit) as caught, exit_on_error("pretrain"):
        train_a_step(accumulate=2)
    assert caught.value.code == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(
        "pretrain: the memory does not hold a step of 6 images at once: set pretrain.accumulate: 3, and the batch is "
        "computed 4 images at a time ("
    )
    assert (str(lack).split("\n")[0] or "MemoryError")[:60] in line


@pytest.mark.parametrize(
    ("batch", "accumulate", "processes", "advice"),
    [
        (256, 1, 1, "256 images at once: set pretrain.accumulate: 2, and the batch is computed 128 images at a time"),
        (256, 16, 8, "2 images at once, which cannot be less: take a lower pretrain.images.side or a smaller"),
        (96, 1, 8, "12 images at once: set pretrain.accumulate: 2, and the batch is computed 6 images at a time"),
        (9, 1, 1, "9 images at once: set pretrain.accumulate: 3, and the batch is computed 3 images at a time"),
        (7, 1, 1, "7 images at once, which cannot be less"),
    ],
)
def test_the_next_number_of_parts_fits_the_batch_of_each_process(
    batch: int, accumulate: int, processes: int, advice: str
) -> None:
    params = make_settings(batch_size=batch, accumulate=accumulate)
    with pytest.raises(RunError, match=re.escape(advice)), explain_lack(params, processes):
        raise MemoryError


def test_other_errors_keep_their_trace() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), explain_lack(make_settings(), 1):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
