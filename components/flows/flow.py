"""`flow`: how the stages are run; no result depends on it."""

from components.stage.types import Count, NotNegative, Params


class Flow(Params):
    """Of `python -m pipelines.train`."""

    at_once: Count  # stages that run at the same time
    retry_seconds: NotNegative  # before a stage that crashed is tried again
