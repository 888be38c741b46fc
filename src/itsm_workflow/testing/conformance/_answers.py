"""The types of the port's answers; an answer of another type is reported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, Cursor, EntryRow, EntryRows, Row, Rows
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_answer(name: str, answer: object) -> None:
    """Check the type of a method's answer.

    Raises:
        AssertionError: The type is not the one that the port declares.
    """
    wrong = _wrong(name, answer)
    if wrong:
        raise AssertionError(f"{name} returned {word(answer)}: {wrong}")


def plain(answer: Any) -> Any:  # noqa: ANN401  # of any method
    """Return an answer with the port's own classes in place of a backend's subclasses of them.

    Equality of the port's values compares classes as well, so that ``class MyRow(Row)`` never equals the `Row` that was
    written, though it has the same values.
    """
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    if isinstance(answer, Rows) and isinstance(answer.rows, tuple):
        return Rows(rows=tuple(map(plain, answer.rows)), next=plain(answer.next))
    if isinstance(answer, EntryRows) and isinstance(answer.entries, tuple):
        return EntryRows(entries=tuple(map(plain, answer.entries)), next_seq=answer.next_seq)
    for declared in (Row, EntryRow, Conflict, Cursor):
        if isinstance(answer, declared) and type(answer) is not declared:
            return declared(**{name: getattr(answer, name) for name in attrs.fields_dict(declared)})
    return answer


def _wrong(name: str, answer: object) -> str:
    if name == "commit":
        if not isinstance(answer, list):
            return f"it must be a list, not {type(answer).__name__}"
        wrong = _each(answer, (Conflict, type(None)), "each element must be a Conflict or None")
        kinds = [conflict.kind for conflict in answer if isinstance(conflict, Conflict)]
        return wrong or _each(kinds, (ConflictKind,), "each conflict's kind must be a ConflictKind")
    if name == "get":
        return _each([answer], (Row, type(None)), "it must be a Row or None")
    if name == "find":
        if not isinstance(answer, Rows):
            return f"it must be Rows, not {type(answer).__name__}"
        if other := _other(answer.rows, tuple):
            return f"its rows must be a tuple, not {other}"
        cursor = _each([answer.next], (Cursor, type(None)), "next must be a Cursor or None")
        return cursor or _each(answer.rows, (Row,), "each of its rows must be a Row")
    if name == "history":
        if not isinstance(answer, EntryRows):
            return f"it must be EntryRows, not {type(answer).__name__}"
        if other := _other(answer.entries, tuple):
            return f"its entries must be a tuple, not {other}"
        after = _each([answer.next_seq], (int, type(None)), "next_seq must be a number or None")
        return after or _each(answer.entries, (EntryRow,), "each of its entries must be an EntryRow")
    return ""


def _each(values: Sequence[object], types: tuple[type, ...], rule: str) -> str:
    other = next(filter(None, (_other(value, *types) for value in values)), "")
    return f"{rule}, not {other}" if other else ""


def _other(value: object, *types: type) -> str:
    """Return the name of the value's type, or an empty text if it is one of these types."""
    return "" if isinstance(value, types) else type(value).__name__
