"""The section `retrain`: how much must be new before a retraining begins; pipelines/retrain/trigger.py checks it."""

from components.stage.types import Count, Params, Share


class Retrain(Params):
    """The thresholds for what is new since the run that was judged last."""

    new_images: Count  # new, gone or changed images that begin a retraining
    drift_below: Share | None  # with a p-value of drift below this, fewer begin one; None: never
