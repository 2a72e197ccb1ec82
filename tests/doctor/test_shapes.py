"""Where a value differs from a shape, field by field."""

from typing import Any

import pytest

from omni_router.doctor.shapes import (
    Comparison,
    Difference,
    Either,
    Fields,
    Items,
    Null,
    Number,
    Shape,
    Text,
    YesOrNo,
    describe,
)

LIST = Fields({"data": Items(Fields({"id": Text(), "price": Number(0, 10)}, {"free": YesOrNo()}))})


def compare(value: Any, shape: Shape = LIST, *, shows_values: bool = True) -> Comparison:
    comparison = Comparison(shows_values)
    shape.compare(value, "", comparison)
    return comparison


def test_what_is_as_expected_has_no_difference() -> None:
    comparison = compare({"data": [{"id": "a", "price": 1, "free": True}, {"id": "b", "price": 0.5}]})
    assert comparison.differences == []
    assert comparison.new_fields == set()


@pytest.mark.parametrize(
    ("item", "difference"),
    [
        ({"price": 1}, ("data[].id", "text", "missing", 1)),
        ({"id": None, "price": 1}, ("data[].id", "text", "null", 1)),
        ({"id": "a", "price": "1"}, ("data[].price", "a number from 0 to 10", "text, '1'", 1)),
        ({"id": "a", "price": -1}, ("data[].price", "a number from 0 to 10", "a number, '-1'", 1)),
        ({"id": "a", "price": 1e30}, ("data[].price", "a number from 0 to 10", "a number, '1e+30'", 1)),
        ({"id": "a", "price": True}, ("data[].price", "a number from 0 to 10", "a boolean, 'True'", 1)),
        ({"id": "a", "price": float("nan")}, ("data[].price", "a number from 0 to 10", "a number, 'nan'", 1)),
        ({"id": "a", "price": 1, "free": 1}, ("data[].free", "true or false", "a number, '1'", 1)),
        ("a", ("data[]", "an object", "text, 'a'", 1)),
    ],
)
def test_a_field_that_differs_is_named_with_what_it_should_be(item: Any, difference: tuple[str, str, str, int]) -> None:
    assert compare({"data": [item]}).differences == [Difference(*difference)]


def test_a_field_counts_once_however_many_items_differ() -> None:
    comparison = compare({"data": [{"id": "a", "price": "1"}, {"id": "b", "price": []}, {"id": "c", "price": 1}]})
    (difference,) = comparison.differences
    assert difference.times == 2
    assert str(difference) == "data[].price: expected a number from 0 to 10, found text, '1' (2 times)"


@pytest.mark.parametrize(("value", "found"), [([], "a list of 0"), ({"a": 1}, "an object with a"), (None, "null")])
def test_a_list_has_to_be_one_with_something_in_it(value: Any, found: str) -> None:
    assert compare({"data": value}).differences == [Difference("data", "a list of at least 1", found, 1)]


def test_new_fields_are_noted_and_are_no_difference() -> None:
    comparison = compare({"more": 1, "data": [{"id": "a", "price": 1, "colour": "red"}]})
    assert comparison.differences == []
    assert comparison.new_fields == {"more", "data[].colour"}


def test_one_of_several_shapes_is_enough_and_an_object_among_them_is_looked_into() -> None:
    shape = Fields({"usage": Either((Fields({"tokens": Number()}), Null()))})
    assert compare({"usage": None}, shape).differences == []
    assert compare({"usage": {"tokens": 3}}, shape).differences == []
    (inside,) = compare({"usage": {"tokens": "3"}}, shape).differences
    assert inside.field == "usage.tokens"
    (outside,) = compare({"usage": 3}, shape).differences
    assert (outside.field, outside.expected) == ("usage", "an object, or null")


def test_values_that_may_be_personal_are_not_quoted() -> None:
    (difference,) = compare({"data": [{"id": 5, "price": 1}]}, shows_values=False).differences
    assert difference.found == "a number"
    assert describe("x" * 500) == f"text, {'x' * 40!r}"
