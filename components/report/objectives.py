"""What the page and the model card say of the objective that an encoder was trained by, by its name in params.yaml.

An objective that has no sentences here is told by its method alone.
"""

from collections.abc import Mapping
from typing import Any

TAUGHT = {
    "byol": "It is taught that the two views of an image are the same thing; what they differ in, it learns to ignore.",
    "article": "Each view is taken on its own: nothing tells it that two views show the same image.",
}
KEPT = {
    "byol": "It is the online encoder; projector, predictor and target are not kept.",
    "article": "It is the encoder; decoder, discriminator and direction are not kept.",
}


def taught(provenance: Mapping[str, Any]) -> str:
    """Say what the two views teach the encoder whose config.json has this provenance."""
    return TAUGHT.get(_objective(provenance), "")


def kept(provenance: Mapping[str, Any]) -> str:
    """Say which of the objective's networks is kept and which are not."""
    return KEPT.get(_objective(provenance), "")


def _objective(provenance: Mapping[str, Any]) -> str:
    return str(provenance.get("params", {}).get("objective", ""))
