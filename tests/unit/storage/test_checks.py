"""The checks of the storage port: each argument of another type or value is refused, by name and in constant time."""

# ruff: noqa: ANN401  # a value of any type is what an untyped caller may give

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.storage.checks import check_history, check_id, check_query, check_timeout, check_writes, is_keepable
from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, Cursor, EntryRow, Order, Query, Row, Write
from itsm_workflow.testing.conformance._rows import create, entry

if TYPE_CHECKING:
    from collections.abc import Callable

WRITE = create("c1")
CURSOR = Cursor(value=None, id="c1")


class Number(enum.IntEnum):
    """A whole number that is not exactly an int: a range would be searched for it value by value."""

    ONE = 1
    BEYOND = 2**63


def _row(name: str, value: Any) -> Write:
    return attrs.evolve(WRITE, row=attrs.evolve(WRITE.row, **{name: value}))


def _entry(name: str, value: Any) -> Write:
    return attrs.evolve(WRITE, entries=(attrs.evolve(entry("c1", 1), **{name: value}),))


@pytest.mark.parametrize("value", [object(), 1.5, True, b"x", ["x"]], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((_row, name) for name in attrs.fields_dict(Row)),
        *((_entry, name) for name in attrs.fields_dict(EntryRow)),
        *((lambda name, value: attrs.evolve(WRITE, **{name: value}), name) for name in attrs.fields_dict(Write)),
    ],
)
def test_every_field_of_a_write_has_the_type_that_the_port_declares(
    make: Callable[[str, Any], Write], name: str, value: object
) -> None:
    """A column that is added to the port is checked, too; the error names it."""
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        check_writes([make(name, value)])


@pytest.mark.parametrize("value", [0.0, False, b"", [], ()], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", attrs.fields_dict(Row))
def test_an_empty_value_of_another_type_is_not_taken_for_none(name: str, value: object) -> None:
    """A column may have no value; then it is None."""
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        check_writes([_row(name, value)])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((_row, name) for name, field in attrs.fields_dict(Row).items() if "None" not in str(field.type)),
        *((_entry, name) for name in attrs.fields_dict(EntryRow)),
    ],
)
def test_a_column_that_must_have_a_value_is_not_none(make: Callable[[str, Any], Write], name: str) -> None:
    """Also if all others have one."""
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        check_writes([make(name, None)])


@pytest.mark.parametrize("value", [object(), 1.5, True, b"x", ["x"]], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", attrs.fields_dict(Query))
def test_every_field_of_a_query_has_the_type_that_the_port_declares(name: str, value: Any) -> None:
    """A filter that is added to the port is checked, too; the error names it."""
    with pytest.raises(TypeError, match=rf"^Query\.{name} must be .*, not {type(value).__name__}$"):
        check_query(attrs.evolve(Query(), **{name: value}))


@pytest.mark.parametrize("value", [object(), 1.5, True, b"x", ["x"]], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", attrs.fields_dict(Cursor))
def test_every_field_of_a_cursor_has_the_type_that_the_port_declares(name: str, value: Any) -> None:
    """A text where a number belongs is refused, and no range is searched for it."""
    with pytest.raises(TypeError, match=rf"^Query\.after\.{name} must be .*, not {type(value).__name__}$"):
        check_query(Query(after=attrs.evolve(CURSOR, **{name: value})))


@pytest.mark.parametrize(
    ("writes", "name"),
    [
        (iter([WRITE]), "list_iterator"),
        ((one for one in [WRITE]), "generator"),
        ({"c1": WRITE}, "dict"),
        ({WRITE}, "set"),
        (WRITE, "Write"),
        ("c1", "str"),
        (b"c1", "bytes"),
        (bytearray(1), "bytearray"),
        (memoryview(b"1"), "memoryview"),
        (None, "None"),
        (5, "int"),
    ],
)
def test_a_batch_is_a_sequence(writes: Any, name: str) -> None:
    """A generator stored nothing without an error: the check had read it to its end."""
    with pytest.raises(TypeError, match=f"commit takes a sequence of Write, such as a list, not {name}"):
        check_writes(writes)


@pytest.mark.parametrize("member", [None, "c1", WRITE.row, {"row": WRITE.row}])
def test_every_member_of_a_batch_is_a_write(member: Any) -> None:
    """The error says which one is not."""
    with pytest.raises(TypeError, match="write 1 of the commit must be of type Write, not "):
        check_writes([WRITE, member])


def test_lists_and_tuples_of_writes_are_sequences() -> None:
    """An empty one as well."""
    for batch in ([], (), [WRITE], (WRITE,)):
        check_writes(batch)


@pytest.mark.parametrize("entries", [[entry("c1", 1)], (None,), ("entry",)])
def test_entries_are_a_tuple_of_entries(entries: Any) -> None:
    """Whoever changes a list later would change what a store in memory holds."""
    with pytest.raises(TypeError, match="change 'c1': entries"):
        check_writes([attrs.evolve(WRITE, entries=entries)])


@pytest.mark.parametrize("name", ["ids", "states", "attention", "ticket_sns"])
@pytest.mark.parametrize("values", ["c1", ["c1"], {"c1"}, ("c1", 5), (None,)])
def test_a_list_in_a_query_is_a_tuple_of_texts(name: str, values: Any) -> None:
    """A text would match each of its characters, or its parts."""
    with pytest.raises(TypeError, match=rf"Query\.{name}"):
        check_query(attrs.evolve(Query(), **{name: values}))


@pytest.mark.parametrize("query", [None, {}, "c1", Order.ID, CURSOR])
def test_a_query_is_a_query(query: Any) -> None:
    """What only resembles one is refused."""
    with pytest.raises(TypeError, match="the query must be of type Query, not "):
        check_query(query)


@pytest.mark.parametrize("order", ["id", "due_at", "ID", None])
def test_an_order_is_a_member_of_order(order: Any) -> None:
    """Its text is equal to it and not the same: backends ordered by it or not."""
    with pytest.raises(TypeError, match=r"Query\.order must be of type Order, not "):
        check_query(Query(order=order))


@pytest.mark.parametrize("change_id", [5, None, b"c1", ("c1",), True])
def test_an_id_is_a_text(change_id: Any) -> None:
    """For `get` and for `history`."""
    for check in (check_id, lambda name: check_history(name, 0, 1)):
        with pytest.raises(TypeError, match="the id of a change must be a str, not "):
            check(change_id)


def test_a_text_that_no_id_can_be_is_no_error() -> None:
    """What comes from outside names nothing; it is not refused."""
    for text in ("", "a\0b", "\ud800"):
        check_id(text)
        check_history(text, 0, 1)
        check_query(Query(workflow=text, subject=text, open_subject=text))
        check_query(Query(ids=(text,), states=(text,), attention=(text,), ticket_sns=(text,)))


@pytest.mark.parametrize(
    ("after", "order"),
    [
        (Cursor(value=None, id="a\0b"), Order.ID),
        (Cursor(value=5, id="a\0b"), Order.DUE_AT),
        (Cursor(value=None, id="\ud800"), Order.ID),
        (Cursor(value=5, id="a"), Order.ID),
        (Cursor(value=None, id="a"), Order.SUBMISSION),
        (Cursor(value=None, id="a"), Order.UPDATED_AT),
    ],
)
def test_a_cursor_that_no_query_returned_is_refused(after: Cursor, order: Order) -> None:
    """One backend found nothing behind a NUL, another one went on."""
    with pytest.raises(ValueError, match=r"Query\.after is not a cursor that a query ordered by \w+ returned"):
        check_query(Query(order=order, after=after))


@pytest.mark.parametrize(
    "make", [lambda limit: check_history("c1", 0, limit), lambda limit: check_query(Query(limit=limit))]
)
def test_a_page_holds_at_least_one_and_leaves_room_to_see_whether_there_is_more(make: Callable[[Any], None]) -> None:
    """A backend asks for one row more than the page holds, in 64 bits."""
    for good in (1, 2**63 - 2, Number.ONE):
        make(good)
    for bad in (0, -1, 2**63 - 1, 2**63, 10**6000, Number.BEYOND):
        with pytest.raises(ValueError, match="limit must be at least 1 and less than "):
            make(bad)
    for odd in (0.5, "5", None, True):
        with pytest.raises(TypeError, match="limit must be an int, not "):
            make(odd)


def test_a_page_of_history_begins_at_an_entry() -> None:
    """Entries are numbered from 1; a page behind all of them is empty."""
    for good in (0, 1, 2**70):
        check_history("c1", good, 1)
    for bad in (-1, -(2**70)):
        with pytest.raises(ValueError, match="after_seq must be 0 or more, not "):
            check_history("c1", bad, 1)
    for odd in (0.5, "5", None, True):
        with pytest.raises(TypeError, match="after_seq must be an int, not "):
            check_history("c1", odd, 1)  # type: ignore[arg-type]  # as an untyped caller may


NUMBERS = {
    "due_at": lambda value: check_writes([_row("due_at", value)]),
    "submission": lambda value: check_writes([_row("submission", value)]),
    "created_at": lambda value: check_writes([_row("created_at", value)]),
    "entry 1 at": lambda value: check_writes([_entry("at", value)]),
    "Query.due_before": lambda value: check_query(Query(due_before=value)),
    "Query.updated_before": lambda value: check_query(Query(updated_before=value)),
    "Query.after.value": lambda value: check_query(Query(order=Order.DUE_AT, after=Cursor(value=value, id="a"))),
}


@pytest.mark.parametrize("where", NUMBERS)
def test_numbers_have_sixty_four_bits(where: str) -> None:
    """Of the row, of its entries and of a query; the error names the place."""
    for good in (2**63 - 1, -(2**63), Number.ONE):
        NUMBERS[where](good)
    for bad in (2**63, -(2**63) - 1, 10**6000, Number.BEYOND):
        with pytest.raises(ValueError, match=f"{where} must fit into 64 bits, not "):
            NUMBERS[where](bad)


def test_numbers_that_nothing_follows_from_are_bounded_too() -> None:
    """The version that was read, the entry's own number: the error is about them and comes at once."""
    for write in (
        attrs.evolve(_row("version", 2**64 + 1), expected_version=2**64),
        attrs.evolve(_row("seq", 2**64), entries=(entry("c1", 2**64),)),
    ):
        with pytest.raises(ValueError, match="must fit into 64 bits"):
            check_writes([write])


@pytest.mark.parametrize("timeout", [0, 0.5, 30.0, 10**6])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    """Nought included: then a call waits for nobody."""
    check_timeout(timeout)


@pytest.mark.parametrize("timeout", [-1, -0.5, math.nan, math.inf, 10**30])
def test_a_timeout_that_no_lock_can_wait_for_is_refused(timeout: float) -> None:
    """Below 0, a lock would wait for ever."""
    with pytest.raises(ValueError, match="timeout must be from 0 to "):
        check_timeout(timeout)


@pytest.mark.parametrize("timeout", ["30", None, True, [30]])
def test_a_timeout_of_another_type_is_refused(timeout: Any) -> None:
    """Before anything waits."""
    with pytest.raises(TypeError, match="timeout must be a number of seconds, not "):
        check_timeout(timeout)


def test_texts_have_a_longest_length() -> None:
    """In bytes; exactly that long is fine."""
    assert is_keepable("x" * MAX_TEXT_BYTES) is True
    assert is_keepable("x" * (MAX_TEXT_BYTES + 1)) is False
    assert is_keepable("é" * (MAX_TEXT_BYTES // 2 + 1)) is False
    assert is_keepable("\ud800") is False
    assert MAX_TEXT_BYTES == 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\0b", "must not contain NUL characters or lone surrogates, which cannot be stored: remove U\\+0000"),
        ("\ud800", "must not contain NUL characters or lone surrogates, which cannot be stored: remove U\\+D800"),
        ("x" * (MAX_TEXT_BYTES + 1), f"must have at most {MAX_TEXT_BYTES} bytes in UTF-8"),
    ],
    ids=["NUL", "half a pair", "long"],
)
@pytest.mark.parametrize(("make", "name"), [(_row, "form"), (_row, "ticket_sn"), (_entry, "actor")])
def test_a_text_that_no_store_keeps_is_named(
    make: Callable[[str, Any], Write], name: str, text: str, rule: str
) -> None:
    """With its change and its column."""
    with pytest.raises(ValueError, match=rf"^change 'c1': .*{name} {rule}$"):
        check_writes([make(name, text)])
