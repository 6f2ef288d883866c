"""The encoders that are measured side by side: their names, their order, and what is said of them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

OURS = "byol"  # the one that was trained
UNTRAINED = "random"  # the same network with the weights that its training began with
PIXELS = "pixels"  # the image itself
ORDER = (OURS, PIXELS, UNTRAINED)

Value = TypeVar("Value")


def in_order(by_encoder: Mapping[str, Value]) -> dict[str, Value]:
    """Wherever they stand side by side; those that are not known here come last."""
    known = [name for name in ORDER if name in by_encoder]
    return {name: by_encoder[name] for name in (*known, *(other for other in by_encoder if other not in known))}


def metric_names(measured: Iterable[Mapping[str, Any]]) -> list[str]:
    """Of all encoders' metrics, in their order, without the keys that are the ends of another's interval."""
    names = dict.fromkeys(name for metrics in measured for name in metrics)
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}
    return [name for name in names if name not in ends]
