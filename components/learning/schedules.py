"""Computes the learning rate as a pure function of the step: linear warm-up from 0, then a decay.

BYOL's decay is a cosine to 0 (arXiv 2006.07733, section 3.3 and appendix J).
"""

import math

from components.learning.params import Constant, Cosine, Decay, LateCosine, Step


def cosine(step: float, steps: float) -> float:
    """Compute a factor that falls from 1 at step 0 to 0 at step `steps`, along half a cosine."""
    return (math.cos(math.pi * step / steps) + 1) / 2


def late_cosine(step: float, steps: float, *, hold: float) -> float:
    """Compute a factor that is 1 for the share `hold` of the steps, and then falls to 0 along half a cosine."""
    held = hold * steps
    return 1.0 if step <= held else cosine(step - held, steps - held)


def learning_rate(step: int, steps: int, *, base: float, warmup: int, decay: Decay, epoch: int) -> float:
    """Compute the learning rate of step `step` of `steps`, the first being 0; `warmup`, in steps, may be all of them.

    `epoch` is the number of steps per epoch. Epochs of a decay count from the end of the warm-up.
    """
    if step < warmup:
        return base * step / warmup
    match decay:
        case Cosine():
            return base * cosine(step - warmup, steps - warmup)
        case LateCosine():
            return base * late_cosine(step, steps, hold=max(decay.hold, warmup / steps))
        case Constant():
            return base
        case Step():
            return base * float(decay.factor ** ((step - warmup) // (decay.every_epochs * epoch)))
