"""`retrain`: how much must be new before a retraining begins; pipelines/retrain/trigger.py holds each night to it."""

from components.stage.types import Count, Params, Share


class Retrain(Params):
    """Of what is new since the run that was judged last."""

    new_images: Count  # new, gone or changed: so many begin a retraining
    drift_below: Share | None  # fewer do where the p-value of the new ones' looks is less; None: never
