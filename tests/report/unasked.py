"""A report without the optional stages: what its stage is given where params.yaml asks for none of them."""

from pathlib import Path
from typing import Any


def leave_out(params: Any, root: Path) -> tuple[list[Any], dict[str, Path]]:
    """Return their sections, each with no encoder, and the folders in which nothing of them lies."""
    sections = (params.classifier, params.index, params.labels)
    none = [section.model_copy(update={"encoders": ()}) for section in sections]
    return none, {name: root / name for name in ("suspects", "classifier_folder", "index_folder")}
