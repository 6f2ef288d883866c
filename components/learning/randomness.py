"""Every random number of a run is a function of the root seed and of its place in the run.

So a run that goes on after a crash, or that another number of processes shares, draws what the uninterrupted one would
have drawn, and nothing but the step has to be remembered. NumPy's SeedSequence mixes seed and place (O'Neill's
seed_seq; https://numpy.org/doc/stable/reference/random/bit_generators/generated/numpy.random.SeedSequence.html).
"""

import numpy as np

ORDER, VIEWS, SAMPLE, PREVIEW = range(4)  # what is drawn: so that no two streams meet


def derive(seed: int, what: int, *place: int) -> int:
    """A seed of its own for each place: 63 bits, well mixed, the same in every run."""
    sequence = np.random.SeedSequence(seed, spawn_key=(what, *place))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
