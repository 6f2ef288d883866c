"""What the tests of the method share: a view with every operation off, and changes to it."""

from collections.abc import Callable
from typing import Any

import pytest

from components.params.pretrain import View

EVERYTHING_OFF = {
    "crop_area": [1.0, 1.0],
    "crop_ratio": [1.0, 1.0],
    "flip": 0.0,
    "rotate": 0.0,
    "scale": 0.0,
    "shift": 0.0,
    "shear": 0.0,
    "jitter": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "grayscale": 0.0,
    "blur": 0.0,
    "blur_sigma": [0.1, 2.0],
    "solarise": 0.0,
    "solarise_threshold": 0.5,
    "noise": 0.0,
}


@pytest.fixture
def still() -> dict[str, Any]:
    """The section of params.yaml whose view is the image itself."""
    return dict(EVERYTHING_OFF)


@pytest.fixture
def view_with(still: dict[str, Any]) -> Callable[..., View]:
    """`view_with(flip=0.5)`: everything off but that."""

    def make(**changes: Any) -> View:
        return View.model_validate(still | changes)

    return make
