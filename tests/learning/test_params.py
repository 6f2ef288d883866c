"""Tests the two views as params.yaml states them: one table and its differences."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.learning.params import View, Views


def test_the_second_view_takes_over_what_it_does_not_change(still: dict[str, Any]) -> None:
    first = still | {"rotate": 10.0, "blur": 1.0}
    views = Views.model_validate({"first": first, "second": {"blur": 0.1, "solarise": 0.2}})
    assert views.first == View.model_validate(first)
    assert views.second == View.model_validate(first | {"blur": 0.1, "solarise": 0.2})
    assert views.first.solarise == 0


def test_a_second_view_that_changes_nothing_is_the_first(still: dict[str, Any]) -> None:
    views = Views.model_validate({"first": still | {"rotate": 10.0}, "second": {}})
    assert views.second == views.first


@pytest.mark.parametrize("views", [{}, {"second": None}], ids=["missing", "empty"])
def test_a_second_view_that_is_not_stated_is_asked_for(views: dict[str, Any], still: dict[str, Any]) -> None:
    """There is no hidden default: a second view that equals the first is written as {}."""
    with pytest.raises(ValidationError, match="second"):
        Views.model_validate({"first": still} | views)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ({}, {"solarize": 0.2}, "solarise"),
        ({"flip": 1.5}, {}, "flip"),
        ({"crop_area": [0.5, 0.2]}, {}, "crop_area"),
        ({"crop_area": [0.5, 1.2]}, {}, "crop_area"),
        ({}, {"blur_sigma": [0.0, 1.0]}, "blur_sigma"),
    ],
)
def test_a_view_that_cannot_be_drawn_is_refused_by_name(
    first: dict[str, Any], second: dict[str, Any], named: str, still: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=named):
        Views.model_validate({"first": still | first, "second": second})
