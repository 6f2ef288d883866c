"""The section `flow` of params.yaml: how the stages are run; no result depends on it."""

from components.stage.types import NotNegative, Params, Workers


class Flow(Params):
    """The settings of `python -m pipelines.train`."""

    at_once: Workers  # stages that run at the same time
    retry_seconds: NotNegative  # to wait before a stage that crashed is run again
