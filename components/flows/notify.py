"""The section `notify` of params.yaml: where the outcome of a run is sent; pipelines/notify.py sends it."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.stage.secrets import mask
from components.stage.types import Params


def _check_address(address: Any) -> Any:
    """Check a webhook's address, and never repeat it: whoever knows the address of a chat's webhook can write there."""
    if not isinstance(address, str) or not re.fullmatch(r"https?://[^\s/]\S*|\$[A-Za-z_][A-Za-z0-9_]*", address):
        raise ValueError("https://... or http://..., or $NAME for the environment variable that holds such an address")
    if mask(address) != address:
        raise ValueError(
            "the address holds a secret, and Git and dvc exp keep what stands here; put it into an environment "
            "variable, and write $NOTIFY_WEBHOOK"
        )
    return address


Address = Annotated[str, BeforeValidator(_check_address), Field(max_length=4096)]


class Notify(Params):
    """The messages that `python -m pipelines.train` and `python -m pipelines.retrain` send."""

    events: Annotated[
        tuple[Literal["failed", "crashed", "cancelled", "promoted", "rejected"], ...], Field(strict=False, max_length=5)
    ]
    file: Annotated[str, Field(min_length=1, max_length=4096)] | None
    webhook: Address | None  # or `$NAME`, the environment variable that holds it
