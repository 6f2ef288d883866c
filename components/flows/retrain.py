"""The section `retrain`: how much must be new before a retraining begins, and how much old data stays after it."""

from components.stage.types import Count, Params, Share


class Retrain(Params):
    """When a retraining begins, counted from the run that was judged last, and what it leaves."""

    new_images: Count  # new, gone or changed images that begin a retraining
    drift_below: Share | None  # with a p-value of drift below this, fewer begin one; None: never
    keep: Count | None  # older versions whose data stay when a night begins; None: those of all
