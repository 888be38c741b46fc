"""The promises about names that look alike, names that are no file names, empty texts, and times that go backwards."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._comparing import SENTENCES, DiffersFromTheModel
from itsm_workflow.testing.conformance._rows import (
    NOW,
    create,
    entry,
    follow,
    found,
    kept_or_refused,
    stored,
    whole_history,
)
from itsm_workflow.testing.conformance._trials.calls import CHANGES, Kind
from itsm_workflow.testing.conformance._trials.runner import run_where_calls_are_seen
from itsm_workflow.testing.conformance._trials.script import Script
from itsm_workflow.testing.conformance._trials.stage import FileStage
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import Row, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener
    from itsm_workflow.testing.conformance._trials.calls import Watch

SPELLINGS = (
    *("", "log", "Log", "LOG", "log ", "log  ", " log", "log\t", "log\n", "log\u00a0", "log\u200b", "lo", "logs"),
    *("l\u00f3g", "lo\u0301g", "\uff4c\uff4f\uff47", "lo\u0261", "l\u043eg", "l_g", "l%g", "l*g", "log\\", "'log'"),
    *("I", "i", "\u0130", "\u0131", "\u00df", "ss", "\u1e9e", "\u017f", "s", "\ufb01", "fi", "\u00c5", "\u212b"),
    *("A\u030a", "\u00b2", "2", "2.0", "02", "2e0", "+2", "0x2", "\uff12", "true", "True", "null", "NULL", "None"),
    *("\ufefflog", "log\r\n", "log\r", "log%", "log,lo", "log;lo", "log|lo", "plumless", "buckeroo"),
    *("\u304b", "\u30ab", "\uff76", "\u304c", "\u304b\u3099", "\u65e5\u5fd7", "\u65e5\u8a8c", "\u2764", "\u2764\ufe0f"),
    *("\U00020bb7", "\U00021a1a", "\u5409", "\U0001f363", "\U0001f37a", "\ufffd", "?", "\U0001f363\U0001f37a"),
)
"""Texts that a database, a file system or a parser may take for another one of them, or for several.

The CRC-32 of ``plumless`` and of ``buckeroo`` is the same. Some collations take all characters beyond U+FFFF for one.
"""

FILE_NAMES = (
    *("a/b", "a_b", "a:b", "a\\b", "a|b", "a%2Fb", "a%2fb", "a b", "a+b", "a.b", "a-b", "A/b", "/a/b", "a//b", "a/b/"),
    *(".", "..", "../a", "./a", "a/../a", ".hidden", "hidden", "a.", "a..", "a ", "~", "~root", "-rf", "--", "*", "?"),
    *("CON", "con", "NUL", "nul.txt", "aux", "COM1", "a.json", "a.json.tmp", "a.lock", "a.db-wal", "lost+found"),
    *("index", "index.json", "a\nb", "a\rb", "\x7f", "\x01", "a;b", "a&b", "a'b", 'a"b', "$HOME", "`a`", "{a}", "<a>"),
    *("x" * 200, "x" * 255, "x" * 256, "x" * 300, "x" * 300 + "y", "\u65e5" * 85, "\u65e5" * 86, "\u65e5" * 200),
)
"""Ids that collide, or have a meaning of their own, once they are part of a file's name, a key or a pattern."""

_FILTERS = ("workflow", "subject", "open_subject")
_SEVERAL = {"ids": "id", "states": "state", "attention": "attention", "ticket_sns": "ticket_sn"}
_LENGTHS = (31, 63, 127, 190, 191, 254, 255, 256, 767, 1000, 1023, 3071, 8190, 65_534)
_SEPARATORS = ("", *"/:|,.-_ ;#1", "\t")
_JOINED = ("id", "workflow", "state", "attention", "subject", "open_subject", "ticket_sn", "ticket_key")
"""Columns of which a backend may join two to a key. Each two of them differ in a digit of their place in binary."""
_KEYS = ("id", "open_subject", "ticket_key", "subject", "workflow", "state", "attention", "ticket_sn")


class SpellingPromises(Promises):
    """Values are equal only if all their characters are."""

    @promise()
    def test_another_spelling_is_another_value(self, backend: StorageBackend) -> None:
        """Case, blanks, accents, width, normalization and look-alikes matter in every column and in every filter.

        Port: "All texts are compared code point by code point, also those of a query: case, blanks and Unicode normal
        forms make a difference."
        """
        writes = [_spelled(text) for text in SPELLINGS]
        for write in writes:
            _check_unknown(backend, write.row.id)
            answer = backend.commit([write])
            assert answer == [None], f"{word(write)} is answered {word(answer)}, but no other change has these values"
        for write in writes:
            text = write.row.id
            assert backend.get(text) == write.row, f"get({text!a}) returned another row"
            assert whole_history(backend, text) == list(write.entries), f"history({text!a}) returned another entry"
            for query in _queries(text):
                assert found(backend, **query) == [text], f"find({word(Query(**query))})"
        for order in Order:
            assert found(backend, order=order, limit=7) == sorted(SPELLINGS), f"{order}: ties are not in order"
        for name in _SEVERAL:
            some: dict[str, Any] = {name: ("log", "LOG", "lOg")}
            assert found(backend, **some) == ["LOG", "log"], name

    @promise()
    def test_an_empty_text_is_a_value(self, backend: StorageBackend) -> None:
        """An empty text is not None, in a row and in a query, and 0 is a number.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        empty: dict[str, Any] = dict.fromkeys(("workflow", "state", "attention", "subject", "ticket_sn"), "")
        first = create("a", **empty, open_subject="", ticket_key="", submission=0, due_at=0, updated_at=0)
        second = create("b", updated_at=1)
        assert backend.commit([first, second]) == [None, None]
        assert (backend.get("a"), backend.get("b")) == (first.row, second.row)
        assert backend.get("") is None
        queries: list[dict[str, Any]] = [{name: ""} for name in _FILTERS]
        queries += [{name: ("",)} for name in _SEVERAL if name != "ids"]
        queries += [{"due_before": 0}, {"updated_before": 0}]
        for query in queries:
            assert found(backend, **query) == ["a"], f"find({word(Query(**query))})"
        for name in _SEVERAL:
            assert found(backend, **{name: ()}) == [], f"find({name}=())"
        for order in (Order.DUE_AT, Order.SUBMISSION):
            assert found(backend, order=order) == ["a"], order
        answer = backend.commit([create("c", open_subject=""), create("d", ticket_key="")])
        kinds = [conflict and conflict.kind.value for conflict in answer]
        assert kinds == ["subject", "ticket"], "two changes hold the same empty value"

    @promise(alone=True)
    def test_names_are_not_file_names(self, open_backend: RecordedOpener) -> None:
        """Ids with separators, dots, reserved names and of any length stay apart, or are refused.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        backend = open_backend()
        kept = []
        try:
            for name in FILE_NAMES:
                write = create(name, subject=name, open_subject=name, ticket_key=name)
                write = attrs.evolve(write, entries=(entry(name, 1, actor=name),))
                if kept_or_refused(backend, write):
                    kept.append(write)
            if "durable" in self.abilities:
                backend.close()
                backend = open_backend()
            for write in kept:
                name = write.row.id
                assert backend.get(name) == write.row, f"get({name!a}) returned another row"
                assert whole_history(backend, name) == list(write.entries), f"history({name!a})"
                assert found(backend, open_subject=name) == [name], f"find(open_subject={name!a})"
            assert found(backend) == sorted(write.row.id for write in kept)
        finally:
            backend.close()

    @promise("durable", "multi_process")
    def test_names_are_not_those_of_its_files(self, open_backend: RecordedOpener) -> None:
        """A change may be named as a file that the store makes, for good or for a moment, or as its lock.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        script = Script()
        names = run_where_calls_are_seen(_names_of_files, open_backend.bare, limit=self.pace.blocked)
        backend = open_backend()
        try:
            writes = [create(name) for name in names if name not in script.names]
            kept = [write for write in writes if kept_or_refused(backend, write)]
            backend.close()
            backend = open_backend()
            for write in (*(write for writes in script.base for write in writes), *kept):
                name = write.row.id
                assert backend.get(name) == write.row, f"get({name!a}) returned another row"
                assert whole_history(backend, name) == list(write.entries), f"history({name!a})"
        finally:
            backend.close()

    @promise()
    def test_names_that_begin_alike(self, backend: StorageBackend) -> None:
        """Two long names that differ in the last character are two names, or are refused; a page ends between them.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        for column in _KEYS:
            stored_ids: list[str] = []
            for length in _LENGTHS:
                texts = ["x" * length + last for last in "ab"]
                writes = [_with(column, text, f"{column} {length} {text[-1]}") for text in texts]
                kept = [write for write in writes if kept_or_refused(backend, write)]
                for write in kept:
                    text = getattr(write.row, column)
                    query = _query_for(column, text)
                    assert backend.get(write.row.id) == write.row, f"{column} of {length + 1:,} characters"
                    if query is not None:
                        names = found(backend, **query)
                        assert names == [write.row.id], f"find by {column} of {length + 1:,} characters"
                stored_ids += [write.row.id for write in kept]
            if column == "id":
                _check_pages(backend, sorted(stored_ids))

    @promise()
    def test_joined_columns_stay_apart(self, backend: StorageBackend) -> None:
        """Two changes stay apart of which two columns would be one text if they were joined, by any usual separator.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        kinds = product(_SEPARATORS, range(3), (0, 1))
        splits = [_joined(number, *kind) for number, kind in enumerate(kinds)]
        for _, pair in splits:
            answer = backend.commit(pair)
            assert answer == [None, None], f"{word(pair)} is answered {word(answer)}, but no change has these values"
        for firsts, pair in splits:
            for write in pair:
                for query in _pairs(firsts, write.row):
                    names = found(backend, **query)
                    expected = [write.row.id]
                    assert names == expected, f"find({word(Query(**query))}) returned {names}, must return {expected}"
        # The number of an entry, or of a submission, that is joined to the end of a name.
        ends = (f"z{first}{last}" for first in _SEPARATORS for last in ("", "1", f"1{first}"))
        names = list(dict.fromkeys(ends))
        numbered = [create(name, entries=12, subject=name, submission=place) for place, name in enumerate(names, 1)]
        assert backend.commit(numbered) == [None] * len(names), "names that end in a number are not stored"
        for write in numbered:
            name = write.row.id
            assert whole_history(backend, name) == list(write.entries), f"history({name!r}) returned other entries"
            read = found(backend, subject=name, order=Order.SUBMISSION)
            assert read == [name], f"find(subject={name!r}) in the order of submissions returned {read}"

    @promise()
    def test_times_may_go_backwards(self, backend: StorageBackend) -> None:
        """Entries are ordered by their number, whatever their times say, and a row has the times that were written.

        Port: "The number of entries in the history, which are numbered 1 to ``seq``."
        """
        times = [NOW, NOW - 5, NOW - 5, -1, NOW + 9, 0]
        write = create("c1", entries=len(times), created_at=NOW + 7, updated_at=NOW - 9, due_at=NOW)
        lines = tuple(attrs.evolve(line, at=at) for line, at in zip(write.entries, times, strict=True))
        row = stored(backend, attrs.evolve(write, entries=lines))
        assert row == write.row
        following = follow(row, entries=2, updated_at=NOW - 90, created_at=NOW + 8)
        later = tuple(attrs.evolve(line, at=-line.seq) for line in following.entries)
        assert stored(backend, attrs.evolve(following, entries=later)) == following.row
        for limit in (1, 3, 100):
            assert whole_history(backend, "c1", limit=limit) == [*lines, *later], f"pages of {limit}"
        stored(backend, create("c2", updated_at=NOW - 50))
        assert found(backend, order=Order.UPDATED_AT) == ["c1", "c2"]
        assert found(backend, updated_before=NOW - 90) == ["c1"]


def _names_of_files(watch: Watch, folder: Path, opener: Callable[[], StorageBackend], *, limit: float) -> list[str]:
    """Return the names of the files that a store makes for a few changes, also without what follows a dot."""
    stage = FileStage(watch, folder, opener, kinds=CHANGES, limit=limit)
    files = [operation.other or operation.path for operation in stage.making if operation.kind is not Kind.NOTE]
    names = {Path(file).name for file in files}
    return sorted(names | {name.split(".")[0] for name in names})


def _joined(number: int, separator: str, bit: int, turn: int) -> tuple[list[str], tuple[Write, Write]]:
    """Return columns and two changes: joined to another column, each of these columns gives the same text in both."""
    begin, middle, end = (f"{letter}{number:03}" for letter in "abc")
    firsts = [name for place, name in enumerate(_JOINED) if place >> bit & 1 != turn]
    one = dict.fromkeys(_JOINED, f"{middle}{separator}{end}") | dict.fromkeys(firsts, begin)
    other = dict.fromkeys(_JOINED, end) | dict.fromkeys(firsts, f"{begin}{separator}{middle}")
    return firsts, (_with_all(one), _with_all(other))


def _with_all(columns: dict[str, Any]) -> Write:
    return create(columns["id"], **{name: text for name, text in columns.items() if name != "id"})


def _pairs(firsts: list[str], row: Row) -> Iterator[dict[str, Any]]:
    """Yield the conditions by one of these columns and by one of the others."""
    asked = {name: _query_for(name, getattr(row, name)) for name in _JOINED}
    for first, second in product(firsts, asked.keys() - firsts):
        if (one := asked[first]) is not None and (other := asked[second]) is not None:
            yield one | other


def _queries(text: str) -> list[dict[str, Any]]:
    """Return a query by each column."""
    return [*({name: text} for name in _FILTERS), *({name: (text,)} for name in _SEVERAL)]


def _check_unknown(backend: StorageBackend, text: str) -> None:
    """Look for a text of which only other spellings are stored."""
    assert backend.get(text) is None, f"get({text!a}) returned a row of another text"
    assert whole_history(backend, text) == [], f"history({text!a}) returned an entry of another text"
    for query in _queries(text):
        names = found(backend, **query)
        assert names == [], f"find({word(Query(**query))}) returned {names!a}, which are other texts"


def _spelled(text: str) -> Write:
    columns: dict[str, Any] = dict.fromkeys((*_KEYS[1:],), text)
    write = create(text, due_at=NOW, submission=1, **columns)
    return attrs.evolve(write, entries=(entry(text, 1, actor=text, trigger=text),))


def _with(column: str, text: str, change_id: str) -> Write:
    columns: dict[str, Any] = {column: text}
    return create(text, due_at=NOW, submission=1) if column == "id" else create(change_id, **columns)


def _check_pages(backend: StorageBackend, names: list[str]) -> None:
    """Read, one by one and in each order, the only changes of a store, whose times are equal."""
    for order in Order:
        query, before = Query(order=order, limit=1), "the beginning"
        for name in names:
            page = backend.find(query)
            read = [row.id for row in page.rows]
            if read != [name]:
                found_ids = " and ".join(map(_end_of, read)) or "nothing"
                what = f"a page ordered by {order}, from {before} on, has {found_ids}, must have {_end_of(name)}"
                raise DiffersFromTheModel(SENTENCES["find"], what)
            query, before = attrs.evolve(query, after=page.next), _end_of(name)


def _end_of(name: str) -> str:
    return f"an id of {len(name):,} characters that ends with {name[-2:]!a}"


def _query_for(column: str, text: str) -> dict[str, Any] | None:
    if column in _FILTERS:
        return {column: text}
    return next(({name: (text,)} for name, of in _SEVERAL.items() if of == column), None)
