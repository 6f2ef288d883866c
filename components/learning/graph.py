"""Repeats a step as one CUDA graph: the same operations on the same places in memory, launched as one.

A step of some thousand small kernels waits for the host, which launches them one by one; a recorded step does not
(https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). What changes from step to step therefore lies in
tensors that stay where they are. The first steps run without a graph, on a stream beside the usual one, in which
PyTorch allocates what it keeps; they are steps of the run like all others. Then one is recorded, and repeated.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

WARM_UP = 3  # steps; PyTorch's notes have 3
WARM_UP_OF_SEVERAL = 11  # steps with DistributedDataParallel, which looks at its own timing for ten (ibid.)

Result = TypeVar("Result")
Tensors = tuple[Tensor, ...]
Step = Callable[[Tensors, Tensors, Tensor, Mapping[str, Tensor]], Tensor]  # batch, draws, rate, schedule -> result


class RepeatedStep:
    """A step whose batch, draws and rates are copied to the places where the recorded step reads them."""

    def __init__(self, step: Step, *, on_failure: Callable[[str], None], warm_up: int = WARM_UP) -> None:
        """`on_failure` is given a line if a step cannot be recorded; it and all later ones run without a graph."""
        self.step, self.left, self.on_failure = step, warm_up, on_failure
        self.batch: Tensors = ()
        self.draws: Tensors = ()
        self.rate = torch.empty(())
        self.schedule: dict[str, Tensor] = {}
        self.stream: torch.cuda.Stream | None = None
        self.repeat: Callable[[], Tensor] | None = None

    def __call__(self, batch: Tensors, draws: Tensors, rate: float, schedule: Mapping[str, float]) -> Tensor:
        """Run the step on tensors of the first step's shapes; the next step overwrites what is returned."""
        if not self.batch:
            self._make_places(batch, draws, schedule)
        for place, value in zip((*self.batch, *self.draws), (*batch, *draws), strict=True):
            place.copy_(value, non_blocking=True)
        self.rate.fill_(rate)
        for name, number in schedule.items():
            self.schedule[name].fill_(number)
        if self.repeat is None and self.left > 0:
            self.left -= 1
            return run_on(self.stream, self._run)
        if self.repeat is None:
            self.repeat = self._record()
        return self.repeat()

    def _make_places(self, batch: Tensors, draws: Tensors, schedule: Mapping[str, float]) -> None:
        self.batch = tuple(torch.empty_like(value) for value in batch)
        self.draws = tuple(torch.empty_like(value) for value in draws)
        device = batch[0].device
        self.rate = torch.empty((), device=device)  # float32, as the fused optimisers want it
        # 1 - tau has no digits left in float32.
        self.schedule = {name: torch.empty((), dtype=torch.float64, device=device) for name in schedule}
        self.stream = find_stream(device)

    def _run(self) -> Tensor:
        return self.step(self.batch, self.draws, self.rate, self.schedule)

    def _record(self) -> Callable[[], Tensor]:
        try:
            return record_graph(self.stream, self._run)
        except RuntimeError as error:  # PyTorch's only type for what a graph cannot hold
            self.on_failure(f"no CUDA graph, each operation is launched alone: {explain_failure(error)}")
            return self._run


@cache
def find_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return the one stream beside the usual one, always the same, if the device has streams.

    What prepares a recording has to run on the stream of the recording: there PyTorch adds up gradients and multiplies.
    """
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def run_on(stream: torch.cuda.Stream | None, work: Callable[[], Result]) -> Result:
    """Run the work on a stream, after what was asked of the usual one before and ahead of what is asked of it later."""
    if stream is None:
        return work()
    usual = torch.cuda.current_stream(stream.device)
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):
        result = work()
    usual.wait_stream(stream)
    return result


def record_graph(stream: torch.cuda.Stream | None, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Record the work as a CUDA graph, without doing it. Raises RuntimeError for work that a graph cannot hold."""
    graph, usual = torch.cuda.CUDAGraph(), torch.cuda.current_stream(None if stream is None else stream.device)
    try:
        # Other threads may go on with work of their own: a loader pins memory, and NCCL watches its operations.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            result = work()
    finally:
        torch.cuda.set_stream(usual)  # torch 2.11 leaves the other one in use if the recording fails

    def repeat() -> Tensor:
        graph.replay()
        return result

    return repeat


def explain_failure(error: BaseException) -> str:
    """Describe in one line what could not be recorded or compiled: the first error's message and source line."""
    while error.__context__ is not None:  # the end of the recording fails as well, and hides what went wrong first
        error = error.__context__
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "an unknown place"
    return f"{place}: {(str(error).splitlines() or [type(error).__name__])[0]}"
