"""Derives the seed of every random draw of a run from the root seed and the place of the draw in the run.

A run that resumes after a crash, or that another number of processes shares, therefore draws what the uninterrupted run
would have drawn, and only the step has to be remembered. NumPy's SeedSequence mixes seed and place (O'Neill's
seed_seq; https://numpy.org/doc/stable/reference/random/bit_generators/generated/numpy.random.SeedSequence.html).
"""

import numpy as np

ORDER, VIEWS, SAMPLE, PREVIEW, NETWORK = range(
    5
)  # streams of random numbers, so that no two kinds of draw share a seed


def derive_seed(seed: int, stream: int, *place: int) -> int:
    """Derive the seed of a place in a stream: 63 bits, well mixed, the same in every run."""
    sequence = np.random.SeedSequence(seed, spawn_key=(stream, *place))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
