"""What a training needs on images of many channels or bits is said once, in numbers that params.yaml takes."""

from typing import Any

import numpy as np
import pytest

from components.fetch.checks.depths import describe_depths
from components.fetch.checks.facts import Facts
from components.store.store import TEST, TRAIN
from tests.fetch.judged import add, make_full, verdict


def make_metrics(*images: Any) -> dict[str, Any]:
    """Return the metrics of images, given as what is measured of them, or None for RGB of 8 bits."""
    facts = Facts()
    for number, full in enumerate(images):
        add(facts, number, "field", full=full)
    return verdict(facts).metrics


def test_images_of_8_bits_are_described_as_before() -> None:
    metrics = make_metrics(None, None)
    assert metrics["depths"] == []
    assert metrics["channels"] == {"mean": [0.5] * 3, "std": [0.5] * 3}
    assert list(describe_depths(metrics)) == []


@pytest.mark.parametrize(("highest", "limit"), [(90, 255), (256, 511), (4000, 4095), (4095, 4095), (4096, 8191)])
def test_the_range_is_what_as_many_bits_hold_as_the_highest_value_takes(highest: int, limit: int) -> None:
    metrics = make_metrics(*(make_full(channels=13, highest=value, mean=50) for value in (highest, 60)))
    assert metrics["channels"] == {
        "range": [0, limit],
        "mean": [round(50 / limit, 4)] * 13,
        "std": [0] * 13,
    }
    assert metrics["depths"] == [
        {"channels": 13, "bits": 16, "bands": True, "images": 2, "highest": highest, "example": "s/0.jpg"}
    ]


def test_mean_and_deviation_are_those_of_all_pixels_to_train_on() -> None:
    facts = Facts()
    for number, (level, split) in enumerate(((1000, TRAIN), (3000, TRAIN), (4000, TEST))):
        add(facts, number, "field", split, full=make_full(channels=5, highest=4000, mean=level))
    channels = verdict(facts).metrics["channels"]
    assert channels["mean"] == [round(2000 / 4095, 4)] * 5
    assert channels["std"] == [round(float(np.std([1000, 3000])) / 4095, 4)] * 5


def test_many_channels_of_8_bits_need_no_range_and_four_do() -> None:
    """Of up to four, Pillow's picture would be taken: the first page, or red, green and blue."""
    assert "range" not in make_metrics(make_full(channels=13, highest=200, bits=8))["channels"]
    four = make_full(channels=4, highest=200, bits=8)._replace(bands=True)
    assert make_metrics(four)["channels"]["range"] == [0, 255]


def test_gray_and_colours_of_16_bits_go_together() -> None:
    colours = make_full(channels=3, highest=50_000, mean=300)
    metrics = make_metrics(colours, make_full(channels=1, highest=60_000, mean=100))
    assert metrics["channels"]["range"] == [0, 65535]
    assert metrics["channels"]["mean"] == [round(200 / 65535, 4)] * 3
    assert len(list(describe_depths(metrics))) == 1


def test_images_that_do_not_go_together_are_named_by_an_example_of_each() -> None:
    """A training would end with the first image of other channels; whoever looks for it needs a name."""
    metrics = make_metrics(make_full(channels=13, highest=4000), None, None, make_full(channels=5, highest=9, bits=8))
    assert "range" not in metrics["channels"]
    needs, kinds, bits = describe_depths(metrics)
    assert needs.startswith("warning: 2 images have up to 13 channels of up to 16 bits, the highest value 4,000")
    assert "(gray or RGB as s/1.jpg; 5 as s/3.jpg; 13 as s/0.jpg)" in kinds
    assert "images of 8 bits, as s/1.jpg, beside images of more, as s/0.jpg" in bits


def test_what_would_be_nearly_black_without_a_range_is_said() -> None:
    [line] = describe_depths(make_metrics(make_full(channels=1, highest=4000)))
    assert line == (
        "warning: 1 image has up to 1 channel of up to 16 bits, the highest value 4,000: pretrain.images.range: "
        "[0, 4095] keeps their values; without it, only the upper 8 bits are seen, nearly black"
    )
    [line] = describe_depths(make_metrics(make_full(channels=1, highest=60_000)))
    assert line.endswith("only the upper 8 bits are seen")
