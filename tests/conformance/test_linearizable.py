"""The search for an order of concurrent operations, compared with a search that tries every order."""

from __future__ import annotations

from itertools import chain, combinations, permutations
from typing import TYPE_CHECKING

import attrs
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.testing.conformance import _linearizable
from itsm_workflow.testing.conformance._linearizable import Operation, unexplained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pytest

    Step = Callable[[int], tuple[int, ...]]


def read(value: int) -> Step:
    """Return the step of a read that returned this value."""
    return lambda state: (state,) if state == value else ()


def swap(expected: int, value: int) -> Step:
    """Return the step of a compare-and-swap that succeeded."""
    return lambda state: (value,) if state == expected else ()


def lost(expected: int) -> Step:
    """Return the step of a compare-and-swap that found another value than expected."""
    return lambda state: (state,) if state != expected else ()


def put(*values: int) -> Step:
    """Return the step of a write that stores one of these values."""
    return lambda _: values


VALUES = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.builds(read, VALUES), st.booleans()),
    st.tuples(st.builds(swap, VALUES, VALUES), st.just(False)),  # noqa: FBT003  # a value to draw
    st.tuples(st.builds(lost, VALUES), st.booleans()),
    st.tuples(st.builds(put, VALUES) | st.builds(put, VALUES, VALUES), st.just(False)),  # noqa: FBT003  # the same
)
OPERATIONS = st.builds(
    lambda began, length, step: Operation(began, None if length is None else began + length, step[0], reads=step[1]),
    st.integers(0, 8),
    st.none() | st.integers(0, 4),
    STEPS,
)


def explained_by_trying(operations: Sequence[Operation[int]], initial: int) -> bool:
    """Return whether any order of the answered operations, with any of the others, explains the answers."""
    answered = [each for each in operations if each.ended is not None]
    others = [each for each in operations if each.ended is None]
    for some in chain.from_iterable(combinations(others, size) for size in range(len(others) + 1)):
        for order in permutations([*answered, *some]):
            in_time = all(
                later.ended is None or earlier.began <= later.ended for earlier, later in combinations(order, 2)
            )
            if in_time and any(True for _ in states_after(order, [initial])):
                return True
    return False


def states_after(order: Iterable[Operation[int]], states: Iterable[int]) -> Iterator[int]:
    """Return the states to which the operations lead, one after the other."""
    for each in order:
        states = [after for state in states for after in each.step(state)]
    yield from states


@given(st.lists(OPERATIONS, max_size=5))
def test_it_agrees_with_trying_every_order(operations: list[Operation[int]]) -> None:
    """Both find an order, or neither does."""
    assert (unexplained(operations, 0) is None) == explained_by_trying(operations, 0)


@given(st.lists(OPERATIONS, max_size=7))
def test_what_is_explained_is_an_order(operations: list[Operation[int]]) -> None:
    """The longest order that is reported respects time, leads to the reported state, and cannot be continued."""
    found = unexplained(operations, 0)
    if found is None:
        return
    assert found.state in states_after(found.order, [0])
    assert found.candidates
    assert not {*map(id, found.order)} & {*map(id, found.candidates)}
    for earlier, later in combinations(found.order, 2):
        assert later.ended is None or earlier.began <= later.ended
    assert not any(each.step(found.state) for each in found.candidates)


@given(st.data(), st.integers(1, 60), st.integers(0, 30))
def test_calls_of_a_correct_store_have_an_order(data: st.DataObject, count: int, longest: int) -> None:
    """However long each call took around the moment at which it took effect."""
    state, operations = 0, []
    for moment in range(count):
        began = moment - data.draw(st.integers(0, longest))
        ended = moment + data.draw(st.integers(0, longest))
        value, wanted = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
        kind = data.draw(st.sampled_from(("read", "swap", "never answered", "never stored")))
        if kind == "read":
            operations.append(Operation(began, ended, read(state), reads=True))
        elif kind == "never stored":
            operations.append(Operation(began, None, swap(wanted, value)))
        elif wanted != state:
            operations.append(Operation(began, ended, lost(wanted), reads=True))
        else:
            operations.append(Operation(began, None if kind == "never answered" else ended, swap(wanted, value)))
            state = value
    data.draw(st.randoms()).shuffle(operations)
    assert unexplained(operations, 0) is None


def test_a_read_of_an_old_value_after_the_write_returned_has_no_order() -> None:
    """The stale read is named, after the write."""
    write, stale = Operation(0, 1, swap(0, 1)), Operation(2, 3, read(0))
    found = unexplained([stale, write], 0)
    assert found is not None
    assert (found.order, found.state, found.candidates) == ((write,), 1, (stale,))


def test_a_read_during_the_write_may_be_old_or_new() -> None:
    """Both at the same moment are not later than each other."""
    for value in (0, 1):
        assert unexplained([Operation(0, 2, swap(0, 1)), Operation(2, 3, read(value))], 0) is None


def test_an_answer_that_leaves_it_open_allows_both() -> None:
    """The write is seen, or it is not; it is not seen and then unseen."""
    write = Operation(0, None, swap(0, 1))
    assert unexplained([write, Operation(1, 2, read(0))], 0) is None
    assert unexplained([write, Operation(1, 2, read(1))], 0) is None
    assert unexplained([write, Operation(1, 2, read(0)), Operation(3, 4, read(1))], 0) is None
    assert unexplained([write, Operation(1, 2, read(1)), Operation(3, 4, read(0))], 0) is not None


def test_a_write_that_changes_nothing_now_may_be_needed_later() -> None:
    """So it is not taken as soon as it can be, as a read is."""
    operations = [Operation(0, 9, put(0)), Operation(0, 1, swap(0, 1)), Operation(2, 3, read(0), reads=True)]
    assert unexplained(operations, 0) is None


def test_two_winners_have_no_order() -> None:
    """Of two that swapped the same value only one can have won, however they overlap."""
    both = [Operation(0, 9, swap(0, 1)), Operation(0, 9, swap(0, 2))]
    found = unexplained(both, 0)
    assert found is not None
    assert (len(found.order), len(found.candidates)) == (1, 1)


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is said against the backend."""
    many = [Operation(0, 9, put(number, number + 1)) for number in range(12)]
    wrong = [*many, Operation(0, 9, read(99))]
    assert unexplained(wrong[-3:], 0) is not None
    monkeypatch.setattr(_linearizable, "_MOST", 50)
    assert unexplained(wrong, 0) is None


def test_operations_are_compared_by_identity() -> None:
    """Two equal ones are two."""
    one = Operation(0, 1, read(0))
    assert one != attrs.evolve(one)
