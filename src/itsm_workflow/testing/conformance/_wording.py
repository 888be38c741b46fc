"""Calls and answers in short: of a row, only the columns that differ from a plain row."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, EntryRow, EntryRows, Query, Row, Rows, Write
from itsm_workflow.testing.conformance._rows import create, entry

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAD = frozenset({"id", "version", "seq", "updated_at"})
_FIRST, _LAST = 12, 4
_TEXTS = {
    **{name: name for name in ("workflow", "subject", "open_subject", "attention")},
    "ids": "id",
    "states": "state",
    "ticket_sns": "ticket_sn",
}
"""By condition of a query on texts, the column of the row."""


class _Short(reprlib.Repr):
    """Short representations in ASCII, since different texts can look the same on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr(self, x: object) -> str:
        """Return the representation of a value, with other characters escaped as `ascii` does."""
        return super().repr(x).encode("ascii", "backslashreplace").decode("ascii")


_SHORT = _Short()
_OF_AN_ERROR = reprlib.Repr()
_OF_AN_ERROR.maxstring = 120
_PATH = re.compile(r"(?:/[^\s/:'\"]+){3,}")
_LONGEST_NAME, _HEAD, _TAIL = 24, 8, 12


def said(name: str, arguments: tuple[Any, ...], outcome: object) -> str:
    """Return one call with its outcome on one line."""
    if name in {"open", "close"} and outcome is None:
        return name
    if name == "elsewhere":  # the act of another process
        return f"elsewhere: {arguments[0]}"
    if isinstance(outcome, BaseException):
        return f"{asked(name, arguments)} raised {type(outcome).__name__}: {_message(outcome)}"
    return f"{asked(name, arguments)} -> {word(outcome)}"


def asked(name: str, arguments: tuple[Any, ...]) -> str:
    """Return one call without its outcome."""
    return f"{name}({', '.join(map(word, arguments))})"


def word(value: object) -> str:
    """Return a value of the port in short."""
    try:
        return _word(value)
    except (AttributeError, TypeError):  # some parts are not of the types that the port declares
        return _SHORT.repr(value)


def _word(value: object) -> str:
    if isinstance(value, Write):
        kind = "create" if value.expected_version == 0 else "follow" if value.entries else "claim"
        base = "" if value.expected_version == 0 else f" v{value.expected_version}"
        lines = "" if len(value.entries) == 1 or kind == "claim" else f" with {len(value.entries)} entries"
        return f"{kind} {_SHORT.repr(value.row.id)}{base}{lines}{_columns(value.row)}{_odd(value.entries)}"
    if isinstance(value, Row):
        return f"{_SHORT.repr(value.id)} v{value.version} seq {value.seq}{_columns(value)}"
    if isinstance(value, EntryRow):
        return f"{value.seq}{_odd([value])}"
    if isinstance(value, Conflict):
        holder = "" if value.holder is None else f", held by {_SHORT.repr(value.holder)}"
        return f"{value.kind} conflict of {_SHORT.repr(value.change_id)}{holder}"
    if isinstance(value, Rows):
        return f"{_listed(value.rows)}{'' if value.next is None else ' and more'}"
    if isinstance(value, EntryRows):
        return f"entries {_listed(value.entries)}{'' if value.next_seq is None else ' and more'}"
    if isinstance(value, Query):
        plain = Query()
        named = {name: getattr(value, name) for name in attrs.fields_dict(Query)}
        return ", ".join(f"{name}={_SHORT.repr(v)}" for name, v in named.items() if v != getattr(plain, name))
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(word, value))}{',' if len(value) == 1 else ''})"
    return _SHORT.repr(value)


def _listed(values: Iterable[object]) -> str:
    """Return many values, without the middle."""
    if not isinstance(values, list | tuple):
        return _SHORT.repr(values)
    left_out = len(values) - _FIRST - _LAST
    if left_out > 1:
        parts = [*map(word, values[:_FIRST]), f"… {left_out:,} left out", *map(word, values[-_LAST:])]
    else:
        parts = [*map(word, values)]
    return f"[{', '.join(parts)}]"


def difference(actual: object, expected: object) -> str:
    """Describe the actual and the expected value; of two rows, only the columns that differ."""
    if isinstance(actual, Row) and isinstance(expected, Row):
        names = [name for name in attrs.fields_dict(Row) if getattr(actual, name) != getattr(expected, name)]
        return "; ".join(
            f"{name} is {_SHORT.repr(getattr(actual, name))}, must be {_SHORT.repr(getattr(expected, name))}"
            for name in names
        )
    if isinstance(actual, list | tuple) and isinstance(expected, list | tuple) and len(actual) == len(expected):
        places = [n for n, pair in enumerate(zip(actual, expected, strict=True)) if pair[0] != pair[1]]
        if places and word(actual[places[0]]) == word(expected[places[0]]):
            return f"at place {places[0]}: it is {actual[places[0]]!a}, must be {expected[places[0]]!a}"
    return f"it is {word(actual)}, must be {word(expected)}"


def another_text(wanted: object, answer: object) -> str:
    """Return in words which text a read has taken for the one that it was asked for, or an empty text.

    Args:
        wanted: The id or the query.
        answer: The answer, of the type that the port declares; that of find as a list of rows.
    """
    if isinstance(wanted, Query) and isinstance(answer, list):
        for condition, column in _TEXTS.items():
            texts = getattr(wanted, condition)
            found = [getattr(row, column) for row in answer if texts is not None]
            allowed = (texts,) if isinstance(texts, str) else texts
            for other in found:
                if isinstance(other, str) and other not in allowed:
                    return f"{column} {other!a} was found for {texts!a}, which is another text"
    ids = [answer.id] if isinstance(answer, Row) else []
    ids += [line.change_id for line in answer.entries] if isinstance(answer, EntryRows) else []
    return next((f"{other!a} was found for {wanted!a}, which is another text" for other in ids if other != wanted), "")


def _message(error: BaseException) -> str:
    """Return the message of an error in short, with the ends of long paths, which name the file of the store."""
    return _OF_AN_ERROR.repr(_PATH.sub(_end_of_path, str(error)))


def _end_of_path(found: re.Match[str]) -> str:
    names = [
        name if len(name) <= _LONGEST_NAME else f"{name[:_HEAD]}…{name[-_TAIL:]}" for name in found[0].split("/")[-2:]
    ]
    return "/".join(["…", *names])


def _columns(row: Row) -> str:
    plain = create(row.id).row
    names = [name for name in attrs.fields_dict(Row) if name not in _LEAD]
    parts = [
        f"{name}={_SHORT.repr(getattr(row, name))}" for name in names if getattr(row, name) != getattr(plain, name)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _odd(entries: Iterable[EntryRow]) -> str:
    """Return the columns of entries that are not plain."""
    odd = []
    for line in entries:
        plain = entry(line.change_id, line.seq)
        names = [name for name in attrs.fields_dict(EntryRow) if getattr(line, name) != getattr(plain, name)]
        odd += [f"{name}={_SHORT.repr(getattr(line, name))}" for name in names]
    return f" [{', '.join(odd)}]" if odd else ""
