"""The range and the channels of `pretrain.images`: what is meant is checked at once, and pixels become what it says."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from components.encoder.normalise import normalise, to_unit
from components.encoder.params import Images
from components.features.load import load_encoder
from tests.encoder.made import write_encoder


def make_images(channels: int = 1, **changes: Any) -> Images:
    numbers: dict[str, Any] = {"mean": [0.4] * channels, "std": [0.2] * channels}
    return Images.model_validate({"side": 8, "read_side": 8, "range": None, "colours": None} | numbers | changes)


@pytest.mark.parametrize(
    ("channels", "changes", "message"),
    [
        (1, {"range": [4095, 0]}, r"range needs two different numbers, the smaller first, not \[4095, 0\]"),
        (1, {"range": [7, 7]}, "range needs two different numbers"),
        (1, {"range": [0, 65536]}, "less than or equal to 65535"),
        (1, {"range": [0, 0.5]}, "valid integer"),
        (3, {"colours": [0, 1, 3]}, "colours names channel 3, but mean has channels 0 to 2"),
        (3, {"colours": [0, 1, 1]}, "three different channels"),
        (3, {"colours": [0, 1]}, "three different channels"),
        (3, {"colours": [-1, 0, 1]}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_meant_is_said(channels: int, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_images(channels, **changes)


@pytest.mark.parametrize(
    ("channels", "colours", "coloured", "alpha"),
    [
        (1, None, (0,), False),
        (2, None, (0,), True),
        (3, None, (0, 1, 2), False),
        (4, None, (0, 1, 2), True),
        (13, None, (), False),
        (4, [2, 1, 0], (2, 1, 0), False),
        (2, [], (), False),
        (2, [1], (1,), False),
    ],
)
def test_the_last_of_two_or_four_is_alpha_unless_colours_are_named(
    channels: int, colours: Any, coloured: tuple[int, ...], alpha: bool
) -> None:
    images = make_images(channels, colours=colours)
    assert (images.coloured, images.alpha) == (coloured, alpha)


def test_a_range_keeps_every_value_and_cuts_what_lies_beyond() -> None:
    values = np.array([0, 100, 101, 2097, 4095, 4096, 65535], np.uint16)
    pixels = torch.from_numpy(values).view(1, 1, 1, -1)
    expected = ((values.astype(np.float64) - 100) / 3995).clip(0, 1)
    images = make_images(range=[100, 4095])
    np.testing.assert_allclose(to_unit(pixels, images).numpy().ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(normalise(pixels, images).numpy().ravel(), (expected - 0.4) / 0.2, rtol=1e-4, atol=1e-6)


def test_a_compiler_can_follow_sixteen_bits() -> None:
    images, pixels = make_images(range=[0, 4095]), torch.tensor([[[[0, 4095, 50000]]]], dtype=torch.uint16)
    compiled = torch.compile(to_unit, fullgraph=True, backend="eager")
    assert compiled(pixels, images).tolist() == [[[[0, 1, 1]]]]


def test_an_encoder_that_was_saved_before_there_was_a_range_is_loaded(tmp_path: Any) -> None:
    write_encoder(tmp_path)
    config = tmp_path / "config.json"
    older = config.read_text().replace('    "range": null,\n    "colours": null,\n', "")
    assert "colours" not in older
    config.write_text(older)
    assert load_encoder(tmp_path).config.images.range is None
