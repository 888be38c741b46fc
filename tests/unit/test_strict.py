"""The strict converter and the JSON texts: nothing is coerced, nothing unknown is let in, one spelling."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Mapping  # noqa: TC003 - cattrs resolves the annotations of Whole
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.strict import (
    SizeLimit,
    TooLargeError,
    canonical,
    explain,
    json_value,
    make_writer,
    parse,
    stored_text,
    strict_converter,
)
from itsm_workflow.testing.strategies import NOW, json_values, texts, whenever

CONVERTER = strict_converter()
OLDER = strict_converter(integer_times=True)


class Colour(enum.StrEnum):
    """A word of a closed list."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Inner:
    """A part."""

    number: int = 0


@attrs.frozen(kw_only=True)
class Whole:
    """Every kind of value that is stored."""

    text: str
    flag: bool = False
    number: int = 0
    ratio: float = 0.0
    colour: Colour = Colour.RED
    part: Inner | None = None
    parts: tuple[Inner, ...] = ()
    names: tuple[str, ...] = ()
    anything: Mapping[str, object] = MappingProxyType({})
    labels: Mapping[str, str] = MappingProxyType({})
    value: object = None


wholes = st.builds(
    Whole,
    text=texts,
    flag=st.booleans(),
    number=st.integers(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    colour=st.sampled_from(Colour),
    part=st.none() | st.builds(Inner, number=st.integers()),
    parts=st.lists(st.builds(Inner, number=st.integers()), max_size=3).map(tuple),
    names=st.lists(texts, max_size=3).map(tuple),
    anything=st.dictionaries(texts, json_values, max_size=3).map(MappingProxyType),
    labels=st.dictionaries(texts, texts, max_size=3).map(MappingProxyType),
    value=json_values,
)


@given(whole=wholes)
def test_every_kind_of_value_comes_back(whole: Whole) -> None:
    """To plain JSON values and back."""
    assert whole == CONVERTER.structure(CONVERTER.unstructure(whole), Whole)


@given(moment=whenever)
def test_times_are_exact(moment: Any) -> None:  # noqa: ANN401 - drawn
    """To the microsecond, as text; and as the integers of schema 1."""
    stored = CONVERTER.unstructure(moment)

    assert type(stored) is str
    assert moment == CONVERTER.structure(stored, type(moment))
    assert moment == OLDER.structure(OLDER.unstructure(moment), type(moment))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "2024-05-17T08:00:00Z"), (0.5, "2024-05-17T08:00:00.500000Z"), (0.000001, "2024-05-17T08:00:00.000001Z")],
)
def test_a_time_is_written_in_one_way(seconds: float, text: str) -> None:
    """With six digits behind the second or none, so that equal times are equal texts."""
    assert text == CONVERTER.unstructure(NOW + dt.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-17T08:00:00",
        "2024-05-17T08:00:00+00:00",
        "2024-05-17T08:00:00.5Z",
        "2024-05-17T08:00:00.000000Z",
        "2024-05-17 08:00:00Z",
        "2024-05-17T16:00:00+08:00",
        "2024-05-17",
        "20240517T080000Z",
        "yesterday",
        "",
        1715932800000000,
        None,
        True,
    ],
)
def test_another_spelling_of_a_time_is_refused(text: object) -> None:
    """Naive times, other zones, other precisions: a time that is not as it was written was edited."""
    with pytest.raises(ValueError, match="must be an RFC 3339 time in UTC"):
        CONVERTER.structure(text, type(NOW))


WRONG = [
    ("flag", "false", "must be of type bool, not str @ $.flag"),
    ("flag", 0, "must be of type bool, not int @ $.flag"),
    ("flag", None, "must be of type bool, not NoneType @ $.flag"),
    ("number", True, "must be of type int, not bool @ $.number"),
    ("number", "1", "must be of type int, not str @ $.number"),
    ("number", 1.0, "must be of type int, not float @ $.number"),
    ("ratio", 1, "must be of type float, not int @ $.ratio"),
    ("text", 1, "must be of type str, not int @ $.text"),
    ("text", ["a"], "must be of type str, not list @ $.text"),
    ("colour", "green", "must be one of red, blue @ $.colour"),
    ("colour", "RED", "must be one of red, blue @ $.colour"),
    ("colour", ["red"], "must be one of red, blue @ $.colour"),
    ("colour", None, "must be one of red, blue @ $.colour"),
    ("names", "abc", "must be a list, not str @ $.names"),
    ("names", {"a": 1}, "must be a list, not dict @ $.names"),
    ("names", None, "must be a list, not NoneType @ $.names"),
    ("names", ["a", 1], "must be of type str, not int @ $.names[1]"),
    ("parts", [{"number": 1}, {"number": "1"}], "must be of type int, not str @ $.parts[1].number"),
    ("part", {"number": 1, "size": 2}, "Extra fields in constructor for Inner: size @ $.part"),
    ("labels", {"a": 1}, "must be of type str, not int @ $.labels"),
    ("labels", [["a", "b"]], "must be an object, not list @ $.labels"),
    ("anything", "abc", "must be an object, not str @ $.anything"),
]


@pytest.mark.parametrize(("field", "value", "problem"), WRONG)
def test_nothing_is_coerced(field: str, value: object, problem: str) -> None:
    """A value of another type is refused, and the field is named; what the value was is not told."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the converter raises is explained
        CONVERTER.structure({"text": "a", field: value}, Whole)

    assert problem == explain(caught.value)


@pytest.mark.parametrize("value", [True, "0", 1.5, None])
def test_an_older_time_is_an_integer(value: object) -> None:
    """No text, no fraction, no truth."""
    with pytest.raises(TypeError, match="must be integer microseconds, not "):
        OLDER.structure(value, type(NOW))


def test_an_unknown_key_is_refused() -> None:
    """A document of another version is noticed."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - as above
        CONVERTER.structure({"text": "a", "color": "red"}, Whole)

    assert explain(caught.value) == "Extra fields in constructor for Whole: color @ $"


def test_every_problem_is_explained_and_a_missing_key_named() -> None:
    """All at once."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - as above
        CONVERTER.structure({"flag": 1, "number": "1"}, Whole)

    problems = [
        "is missing @ $.text",
        "must be of type bool, not int @ $.flag",
        "must be of type int, not str @ $.number",
    ]
    assert sorted(problems) == sorted(explain(caught.value).split("; "))


def test_a_type_that_cannot_be_stored_is_named_as_such() -> None:
    """A host's evidence with such a field fails with words."""

    @attrs.frozen
    class Odd:
        what: complex

    with pytest.raises(Exception) as caught:  # noqa: PT011 - as above
        CONVERTER.structure({"what": 1}, Odd)

    assert explain(caught.value) == "has a type that cannot be stored"
    assert explain(ZeroDivisionError()) == "ZeroDivisionError"
    assert explain(KeyError("text")) == "is missing"


def test_plain_values_are_written() -> None:
    """Members of an enum become their values, times integers, tuples lists."""
    plain = CONVERTER.unstructure(Whole(text="a", colour=Colour.BLUE, names=("b",), parts=(Inner(number=2),)))

    assert plain == {"text": "a", "colour": "blue", "names": ["b"], "parts": [{"number": 2}]}
    assert str is type(plain["colour"])
    assert [list, list] == [type(plain["names"]), type(plain["parts"])]


def test_defaults_are_not_written() -> None:
    """A document holds what was said, so that a later default does not change it silently."""
    assert CONVERTER.unstructure(Whole(text="a")) == {"text": "a"}


def test_the_stored_text_is_the_canonical_one() -> None:
    """With sorted keys, also within, and without defaults."""
    value = Whole(text="a", anything={"b": {"d": 1, "c": 2}, "a": None}, part=Inner())
    text = stored_text(make_writer().unstructure(value))

    assert text == '{"anything":{"a":null,"b":{"c":2,"d":1}},"part":{},"text":"a"}'
    assert text == canonical(CONVERTER.unstructure(value))


@given(value=json_values)
def test_canonical_is_a_fixpoint(value: Any) -> None:  # noqa: ANN401 - drawn
    """One value has one text, and the text has that value."""
    text = canonical(value)

    assert value == parse(text)
    assert text == canonical(parse(text))


@given(values=st.dictionaries(texts, st.integers(), max_size=5), order=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(values: dict[str, int], order: Any) -> None:  # noqa: ANN401 - drawn
    """Two mappings that are equal have one text."""
    shuffled = list(values.items())
    order.shuffle(shuffled)

    assert canonical(values) == canonical(dict(shuffled))


def test_canonical_text_is_short_and_readable() -> None:
    """No spaces, and characters as they are."""
    assert canonical({"标题": "采集", "a": [1, True, None]}) == '{"a":[1,true,null],"标题":"采集"}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_refused(number: float) -> None:
    """Neither written nor read nor kept."""
    with pytest.raises(ValueError, match="Out of range float values"):
        canonical({"n": number})
    with pytest.raises(ValueError, match=f"^{number} has no JSON form$"):
        json_value(number)
    with pytest.raises(ValueError, match="is not JSON"):
        parse(json.dumps([number]))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":1,"a":1}', "has the duplicate key 'a'"),
        ('[{"b":{"a":1,"\\u0061":2}}]', "has the duplicate key 'a'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("1" * 5000, "Exceeds the limit"),
        ("", "Expecting value"),
        ("{'a':1}", "Expecting property name"),
        ('{"a":1} x', "Extra data"),
        ('"\\', "Unterminated string|Invalid"),
    ],
    ids=[
        "key twice",
        "key twice, escaped",
        "deep lists",
        "deep objects",
        "5000 digits",
        "empty",
        "quotes",
        "more",
        "cut",
    ],
)
def test_texts_that_are_no_json_are_refused(text: str, problem: str) -> None:
    """As one kind of error, whatever is wrong."""
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_json_values_are_copied() -> None:
    """What is kept cannot be changed from outside."""
    inner = [1]
    kept = json_value(MappingProxyType({"a": inner, "b": (1, "x"), "c": {"d": None}}))
    inner.append(2)

    assert kept == {"a": [1], "b": [1, "x"], "c": {"d": None}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({1: "a"}, "has a key that is not a string"),
        (b"bytes", "is a bytes, which has no JSON form"),
        ({"a": {1, 2}}, "is a set, which has no JSON form"),
        (NOW, "is a datetime, which has no JSON form"),
        (2**1024, "is a whole number of more than 1024 bits"),
        pytest.param(-(10**5000), "is a whole number of more than 1024 bits", id="5000 digits"),
    ],
)
def test_values_that_json_lacks_are_refused(value: object, problem: str) -> None:
    """The rule is told without the value."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        json_value(value)


def test_depth_is_bounded() -> None:
    """Sixty-four levels, or as many as are asked for; a list that holds itself is too deep."""
    nested: Any = None
    for _ in range(63):
        nested = [nested]
    endless: list[Any] = []
    endless.append(endless)

    assert nested == json_value(nested)
    with pytest.raises(ValueError, match="is nested deeper than 64 levels"):
        json_value([nested])
    for deep, depth in (([nested], 64), (endless, 64), ({"a": {"b": 1}}, 2)):
        with pytest.raises(ValueError, match="is nested deeper than"):
            json_value(deep, depth)


@pytest.mark.parametrize("value", ["abc", {"a": "b"}, ("a",), b"abc", None])
def test_what_is_no_list_is_no_tuple(value: object) -> None:
    """A converter would take the characters of a text, or the keys of an object."""
    with pytest.raises(TypeError, match=f"must be a list, not {type(value).__name__}"):
        CONVERTER.structure(value, tuple[str, ...])


def test_room_is_used_up_to_the_last_character() -> None:
    """And not beyond it."""
    limit = SizeLimit(5)
    limit.take(2)
    limit.take(3)
    with pytest.raises(TooLargeError):
        limit.take(1)


@pytest.mark.parametrize(
    ("value", "characters"), [({"a": 1}, 7), ({"key": {}, "b": []}, 17), ([1, "b", None], 9), ({}, 2), ("text", 6)]
)
def test_room_counts_every_character_that_json_needs_at_least(value: object, characters: int) -> None:
    """Braces, commas, colons and quotes: a limit that is one less is exceeded."""
    json_value(value, limit=SizeLimit(characters))
    with pytest.raises(TooLargeError):
        json_value(value, limit=SizeLimit(characters - 1))


@pytest.mark.parametrize("number", [2**1024 - 1, -(2**1024 - 1)])
def test_a_number_that_a_double_could_not_hold_is_the_first_to_be_refused(number: int) -> None:
    """One bit less is kept."""
    assert json_value(number) == number
    with pytest.raises(ValueError, match="is a whole number of more than 1024 bits"):
        json_value(number * 2)


def test_every_level_of_a_value_counts_once() -> None:
    """In lists as in objects."""
    lists: Any = 1
    objects: Any = 1
    for levels in range(1, 6):
        assert (json_value(lists, levels), json_value(objects, levels)) == (lists, objects)
        lists, objects = [lists], {"a": objects}
        for value in (lists, objects):
            with pytest.raises(ValueError, match="nested deeper"):
                json_value(value, levels)


@attrs.frozen
class _Kept:
    """Evidence of a host."""

    facts: dict[str, object]


def test_what_is_read_into_a_dict_cannot_be_changed_either() -> None:
    """Evidence is what was, however a host annotates it."""
    kept = strict_converter().structure({"facts": {"a": 1}}, _Kept)

    assert kept.facts == {"a": 1}
    with pytest.raises(TypeError):
        kept.facts["a"] = 2
