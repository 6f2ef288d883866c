"""Learning rate and tau as pure functions of the step.

Learning rate: linear warm-up from 0, then a cosine to 0 (BYOL, arXiv 2006.07733, section 3.3 and appendix J).
Tau: 1 - (1 - tau_base) * (cos(pi k / K) + 1) / 2, from tau_base at the first step to 1 at the last (ibid.).
"""

import math


def cosine(step: float, steps: float) -> float:
    """Falls from 1 at step 0 to 0 at step `steps`, along half a cosine."""
    return (math.cos(math.pi * step / steps) + 1) / 2


def learning_rate(step: int, steps: int, *, base: float, warmup: int) -> float:
    """Learning rate of step `step` of `steps`, the first being 0; `warmup` in steps may be all of them."""
    if step < warmup:
        return base * step / warmup
    return base * cosine(step - warmup, steps - warmup)


def tau(step: int, steps: int, *, base: float) -> float:
    """Decay of the target's moving average after optimiser step `step` of `steps`."""
    return 1 - (1 - base) * cosine(step, steps)
