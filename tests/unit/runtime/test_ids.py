"""Identifiers."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.clock import from_micros
from itsm_workflow.runtime.ids import ulid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
moments = st.datetimes(dt.datetime(1970, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - the bounds of st.datetimes are naive
entropies = st.binary(min_size=10, max_size=10)


def value_of(identifier: str) -> int:
    """Return the number that a ULID spells."""
    number = 0
    for character in identifier:
        number = number * 32 + CROCKFORD.index(character)
    return number


@given(moment=moments, random=entropies)
def test_an_id_spells_its_milliseconds_and_its_random_bits(moment: dt.datetime, random: bytes) -> None:
    """48 bits of time, then all 80 random ones: nothing is lost, nothing else is in it."""
    number = value_of(ulid(moment, lambda _: random))

    assert from_micros((number >> 80) * 1000) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert (number & (1 << 80) - 1).to_bytes(10, "big") == random


@given(moment=moments, random=entropies)
def test_an_id_is_26_characters_that_are_safe_anywhere(moment: dt.datetime, random: bytes) -> None:
    """In URLs, file names and ticket tags, on systems that ignore case as well."""
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", ulid(moment, lambda _: random))


@given(first=st.tuples(moments, entropies), second=st.tuples(moments, entropies))
def test_ids_sort_by_time(first: tuple[dt.datetime, bytes], second: tuple[dt.datetime, bytes]) -> None:
    """To the millisecond."""
    (early, one), (late, other) = sorted((first, second))

    assert ulid(early, lambda _: one)[:10] <= ulid(late, lambda _: other)[:10]


def test_the_time_is_spelled_as_the_ulid_specification_does() -> None:
    """The reference implementation's example: 1469918176385 ms is 01ARYZ6S41."""
    made = ulid(from_micros(1_469_918_176_385_000), lambda size: b"\0" * size)

    assert made == "01ARYZ6S410000000000000000"


def test_ids_of_one_instant_differ() -> None:
    """The random bits come from the system unless a source is given."""
    now = from_micros(1_715_932_800_000_000)

    assert len({ulid(now) for _ in range(1000)}) == 1000


def test_a_seeded_source_makes_ids_repeatable() -> None:
    """It is asked for ten bytes, once."""
    asked: list[int] = []
    now = from_micros(1_715_932_800_000_000)

    def seeded(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    assert ulid(now, seeded) == ulid(now, seeded)
    assert asked == [10, 10]


def test_a_time_without_a_zone_makes_no_id() -> None:
    """It would sort anywhere."""
    with pytest.raises(ValueError, match="has no time zone"):
        ulid(dt.datetime(2024, 5, 17, 8))  # noqa: DTZ001 - the mistake that is tested


@pytest.mark.parametrize(
    ("returned", "said"),
    [(b"", "0 bytes"), (b"x" * 9, "9 bytes"), (b"x" * 16, "16 bytes"), ("x" * 10, "a str"), (None, "None")],
)
def test_entropy_that_returns_something_else_is_refused(returned: Any, said: str) -> None:  # noqa: ANN401 - wrong on purpose
    """Ids with fewer random bits could be equal, and with more would not spell their time."""
    now = from_micros(1_715_932_800_000_000)
    with pytest.raises(TypeError, match=rf"^entropy\(10\) must return 10 random bytes, but returned {said}$"):
        ulid(now, lambda _: returned)
