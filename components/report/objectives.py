"""Describes the objective that an encoder was trained by, for the page and the model card.

An objective is found by its name in params.yaml; one without sentences here is described by its method alone.
"""

from collections.abc import Mapping
from typing import Any

TAUGHT = {
    "byol": "It is taught that the views of an image are the same thing; what they differ in, it learns to ignore.",
    "article": "Each view is taken on its own: nothing tells it that several views show the same image.",
}
KEPT = {
    "byol": "It is the online encoder; projector, predictor and target are not kept.",
    "article": "It is the encoder; decoder, discriminator and direction are not kept.",
}


def describe_teaching(provenance: Mapping[str, Any]) -> str:
    """Describe what the views teach the encoder whose config.json has this provenance."""
    return TAUGHT.get(read_objective(provenance), "")


def describe_kept_network(provenance: Mapping[str, Any]) -> str:
    """Describe which of the objective's networks is kept and which are not."""
    return KEPT.get(read_objective(provenance), "")


def read_objective(provenance: Mapping[str, Any]) -> str:
    """Read the objective's name in params.yaml; nothing where the provenance does not say."""
    params = provenance.get("params")
    return str(params.get("objective", "")) if isinstance(params, Mapping) else ""
