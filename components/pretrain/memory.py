"""Says in one line what to do where the memory does not hold a step: compute the batch in more parts.

A CPU that runs out of memory seldom says so: Linux gives more than there is, and kills a process that uses it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from components.learning.params import fits_batch
from components.pretrain.params import Pretrain
from components.stage.errors import RunError

WORDS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")  # of PyTorch on the CPU, of MPS, of cuBLAS and cuDNN


def is_lack_of_memory(error: Exception) -> bool:
    """Whether the error is a lack of memory: of Python, or of a device or library, not all of which have a type."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in WORDS)


@contextmanager
def explain_lack(params: Pretrain, processes: int) -> Iterator[None]:
    """Raise RunError, which says what would take less, where memory runs out within the context."""
    try:
        yield
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{advise(params, processes)} ({reason})") from None


def advise(params: Pretrain, processes: int) -> str:
    """Describe what did not fit, and the next smaller parts of the batch that are equal and not too small."""
    images = params.batch_size // processes
    part = f"the memory does not hold a step of {images // params.accumulate} images at once"
    more = [parts for parts in range(params.accumulate + 1, images) if fits_batch(parts, images)]
    if not more:
        return f"{part}, which cannot be less: take a lower pretrain.images.side or a smaller pretrain.encoder"
    return f"{part}: set pretrain.accumulate: {more[0]}, and the batch is computed {images // more[0]} images at a time"
