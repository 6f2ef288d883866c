"""Names and orders the encoders that are measured side by side, and their metrics."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

OURS = "byol"  # the trained encoder
START = "start"  # what its training began with, where that was trained before; else there is no such encoder
UNTRAINED = "random"  # the same network with weights drawn at random
PIXELS = "pixels"  # the image itself as its features
ORDER = (OURS, START, PIXELS, UNTRAINED)

Value = TypeVar("Value")


def order_encoders(by_encoder: Mapping[str, Value]) -> dict[str, Value]:
    """Return the entries in the order of ORDER; encoders that it does not name come last."""
    known = [name for name in ORDER if name in by_encoder]
    unknown = [name for name in by_encoder if name not in known]
    return {name: by_encoder[name] for name in (*known, *unknown)}


def list_metrics(measured: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the names of all encoders' metrics, in their order, without the ends of other metrics' intervals."""
    names = dict.fromkeys(name for metrics in measured for name in metrics)
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}
    return [name for name in names if name not in ends]
