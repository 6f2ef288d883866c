"""Tests the views as params.yaml states them: one table and its differences."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.learning.params import TargetView, View, Views


def make_views(first: dict[str, Any], second: Any, **changes: Any) -> Views:
    """Make two views for both networks, but for the changes."""
    return Views.model_validate({"online": 2, "first": first, "second": second, "target": None} | changes)


def test_the_second_view_takes_over_what_it_does_not_change(still: dict[str, Any]) -> None:
    first = still | {"rotate": 10.0, "blur": 1.0}
    views = make_views(first, {"blur": 0.1, "solarise": 0.2})
    assert views.first == View.model_validate(first)
    assert views.second == View.model_validate(first | {"blur": 0.1, "solarise": 0.2})
    assert views.first.solarise == 0


def test_a_second_view_that_changes_nothing_is_the_first(still: dict[str, Any]) -> None:
    views = make_views(still | {"rotate": 10.0}, {})
    assert views.second == views.first


def test_the_targets_own_view_takes_over_what_it_does_not_change_from_the_first(still: dict[str, Any]) -> None:
    first = still | {"rotate": 10.0, "blur": 1.0}
    views = make_views(first, {"rotate": 20.0}, target={"count": 3, "blur": 0.0})
    assert views.target == TargetView.model_validate(first | {"count": 3, "blur": 0.0})
    assert views.list_target() == [views.target] * 3


def test_the_online_network_sees_both_views_by_turns(still: dict[str, Any]) -> None:
    views = make_views(still, {"blur": 1.0}, online=5)
    assert [view.blur for view in views.list_online()] == [0, 1, 0, 1, 0]
    assert views.list_target() == []


@pytest.mark.parametrize(
    ("views", "named"),
    [
        ({"online": 2, "target": None}, "second"),
        ({"online": 2, "target": None, "second": None}, "second"),
        ({"online": 2, "second": {}}, "target"),
        ({"online": 2, "second": {}, "target": {"blur": 1.0}}, r"target\.count"),
        ({"second": {}, "target": None}, "online"),
    ],
    ids=["no second", "an empty second", "no target", "no count", "no online"],
)
def test_what_is_not_stated_is_asked_for(views: dict[str, Any], named: str, still: dict[str, Any]) -> None:
    """There is no hidden default: a second view that equals the first is written as {}."""
    with pytest.raises(ValidationError, match=rf"^1 validation error for Views\n{named}\n"):
        Views.model_validate({"first": still} | views)


@pytest.mark.parametrize(
    ("first", "second", "changes", "named"),
    [
        ({}, {"solarize": 0.2}, {}, r"second\n  .*did you mean 'solarise'"),
        ({"flip": 1.5}, {}, {}, r"first\.flip\n"),
        ({"crop_area": [0.5, 0.2]}, {}, {}, "crop_area needs two"),
        ({"crop_area": [0.5, 1.2]}, {}, {}, "crop_area is a share"),
        ({}, {"blur_sigma": [0.0, 1.0]}, {}, "blur_sigma needs two"),
        ({}, {}, {"online": 1}, r"online\n"),  # nobody would predict anybody
        ({}, {}, {"target": {"count": 0}}, r"target\.count\n"),
        ({}, {}, {"target": {"count": 1, "flip": 2.0}}, r"target\.flip\n"),
        ({}, {"count": 1}, {}, r"second\n  unknown key"),
    ],
)
def test_views_that_cannot_be_drawn_are_refused_by_name(
    first: dict[str, Any], second: dict[str, Any], changes: dict[str, Any], named: str, still: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^(  Value error, )?{named}"):
        make_views(still | first, second, **changes)
