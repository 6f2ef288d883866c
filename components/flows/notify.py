"""The section `notify` of params.yaml: where the outcome of a run is sent; pipelines/notify.py sends it."""

from typing import Annotated, Literal

from pydantic import Field

from components.stage.types import Params

Address = Annotated[str, Field(pattern=r"^(https?://\S+|\$[A-Za-z_][A-Za-z0-9_]*)$", max_length=4096)]


class Notify(Params):
    """The messages that `python -m pipelines.train` and `python -m pipelines.retrain` send."""

    events: Annotated[
        tuple[Literal["failed", "crashed", "cancelled", "promoted", "rejected"], ...], Field(strict=False, max_length=5)
    ]
    file: Annotated[str, Field(min_length=1, max_length=4096)] | None
    webhook: Address | None  # or `$NAME`, the environment variable that holds it
