"""What the tests of the method share: a view with every operation off, the shipped params, and changes to both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.params.pretrain import Pretrain, View
from components.stage import read_params

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


@pytest.fixture(scope="session")
def pretrain_with() -> Callable[..., Pretrain]:
    """`pretrain_with(epochs=2)`: the section of the shipped params.yaml but for that."""
    section: Pretrain = read_params(Path("params.yaml")).pretrain

    def make(**changes: Any) -> Pretrain:
        return section.model_copy(update=changes)

    return make
