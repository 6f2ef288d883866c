"""`retrain`: how much must be new before a retraining begins; pipelines/trigger.py holds each night to it."""

from components.params.base import Count, Params, Share


class Retrain(Params):
    """Of what is new since the run that was judged last."""

    new_images: Count  # new, gone or changed: so many begin a retraining
    drift_below: Share | None  # fewer do where the p-value of the new ones' looks is less; None: never


Section = Retrain
