"""The picture of the views has a row for the originals and one below it for each kind of view."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.pretrain.preview import draw_preview
from tests.small import make_settings

SECOND = {"solarise": 1.0, "solarise_threshold": 0.1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [64, 64, 191]),
        ({"views__online": 5}, [64, 64, 191]),
        ({"views__target": {"count": 3, "jitter": 1.0, "brightness": 0.0}}, [64, 64, 191, 64]),
        ({"views__target": {"count": 1, **SECOND}}, [64, 64, 191, 191]),
    ],
    ids=["two", "more of them", "the target's like the first", "the target's own"],
)
def test_each_kind_of_view_has_a_row(changes: dict[str, object], expected: list[int], tmp_path: Path) -> None:
    """Without a row for the target's views nobody would see what they are. Images are of 8 pixels and a frame."""
    images = torch.full((3, 1, 8, 8), 64, dtype=torch.uint8)
    draw_preview(images, make_settings(views__second=SECOND, **changes), tmp_path / "views.png")
    with Image.open(tmp_path / "views.png") as picture:
        shown = np.asarray(picture)
    large = 960 // 30
    assert shown.shape == (10 * large * len(expected), 30 * large)
    middles = shown[5 * large :: 10 * large, 5 * large :: 10 * large]
    assert np.abs(middles - np.array(expected)[:, None]).max() <= 1
