"""The comparison of calls with the model: it accepts right answers, and says of a wrong one what would be right."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.storage.protocol import Conflict, ConflictKind, Cursor, EntryRows, Order, Query, Row, Rows
from itsm_workflow.testing.conformance._answers import check_answer, plain
from itsm_workflow.testing.conformance._comparing import SENTENCES, DiffersFromTheModel, compare, look_through
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._recording import Call, RecordedBackend, Recording
from itsm_workflow.testing.conformance._rows import (
    claim,
    create,
    entry,
    follow,
    kept_or_refused,
    pages,
    present,
    refused,
    whole_history,
)
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Write

BASE = (
    [create("a", open_subject="s", ticket_key="k", due_at=2, submission=1)],
    [create("b", due_at=1, submission=2), create("c", due_at=2, entries=3)],
)
A, B, C = (write.row for writes in BASE for write in writes)


def model() -> Model:
    """Return the model with the three rows."""
    return (
        Model()
        .after([create("a", open_subject="s", ticket_key="k", due_at=2, submission=1)], [None])
        .after([create("b", due_at=1, submission=2), create("c", due_at=2, entries=3)], [None, None])
    )


def conflict(kind: str, change_id: str, holder: str | None = None) -> Conflict:
    """Return a conflict."""
    return Conflict(kind=ConflictKind(kind), change_id=change_id, holder=holder)


def entries(*numbers: int, following: int | None = None) -> EntryRows:
    """Return a page of the history of ``c``."""
    return EntryRows(entries=tuple(entry("c", number) for number in numbers), next_seq=following)


RIGHT: dict[str, tuple[str, tuple[Any, ...], object]] = {
    "nothing to commit": ("commit", ([],), []),
    "stored": ("commit", ([follow(A, open_subject="t")],), [None]),
    "a claim with a taken subject": ("commit", ([claim(attrs.evolve(B, open_subject="s"), 5)],), [None]),
    "stale": ("commit", ([follow(attrs.evolve(A, version=2))],), [conflict("version", "a")]),
    "a stale claim": ("commit", ([claim(attrs.evolve(A, version=2), 5)],), [conflict("version", "a")]),
    "created again": ("commit", ([create("a")],), [conflict("version", "a")]),
    "taken, with holder": ("commit", ([follow(B, open_subject="s")],), [conflict("subject", "b", "a")]),
    "taken, without": ("commit", ([create("d", open_subject="s", ticket_key="k")],), [conflict("subject", "d")]),
    "a taken ticket": ("commit", ([create("d", ticket_key="k")],), [conflict("ticket", "d", "a")]),
    "taken by the other write": (
        "commit",
        ([create("d", open_subject="t"), create("e", open_subject="t")],),
        [conflict("subject", "d", "e"), None],
    ),
    "taken by the third of five": (
        "commit",
        ([create(f"d{number}", open_subject="t") for number in range(5)],),
        [None if number == 2 else conflict("subject", f"d{number}", "d2") for number in range(5)],
    ),
    "taken by one of many": (
        "commit",
        ([create(f"d{number}", open_subject="t") for number in range(7)],),
        [*(conflict("subject", f"d{number}") for number in range(6)), None],
    ),
    "a row": ("get", ("a",), A),
    "no row": ("get", ("d",), None),
    "all rows": ("find", (Query(),), Rows(rows=(A, B, C))),
    "a page": ("find", (Query(limit=2),), Rows(rows=(A, B), next=Cursor(value=None, id="b"))),
    "a full last page": ("find", (Query(limit=3),), Rows(rows=(A, B, C))),
    "the next page": ("find", (Query(after=Cursor(value=None, id="b")),), Rows(rows=(C,))),
    "due": ("find", (Query(order=Order.DUE_AT),), Rows(rows=(B, A, C))),
    "due, a page": ("find", (Query(order=Order.DUE_AT, limit=2),), Rows(rows=(B, A), next=Cursor(value=2, id="a"))),
    "due, the next": ("find", (Query(order=Order.DUE_AT, after=Cursor(value=2, id="a")),), Rows(rows=(C,))),
    "due before": ("find", (Query(due_before=1),), Rows(rows=(B,))),
    "updated before": ("find", (Query(updated_before=A.updated_at),), Rows(rows=(A, B))),
    "newest": ("find", (Query(order=Order.SUBMISSION),), Rows(rows=(B, A))),
    "newest, next": ("find", (Query(order=Order.SUBMISSION, after=Cursor(value=2, id="b")),), Rows(rows=(A,))),
    "by a name": ("find", (Query(ids=("c", "a")),), Rows(rows=(A, C))),
    "by no name": ("find", (Query(ids=()),), Rows(rows=())),
    "by subject": ("find", (Query(subject=B.subject),), Rows(rows=(B,))),
    "by open subject": ("find", (Query(open_subject="s"),), Rows(rows=(A,))),
    "by workflow": ("find", (Query(workflow="other"),), Rows(rows=())),
    "by state": ("find", (Query(states=("pending",)),), Rows(rows=())),
    "by attention": ("find", (Query(attention=("overdue",)),), Rows(rows=())),
    "by number": ("find", (Query(ticket_sns=("n",)),), Rows(rows=())),
    "a history": ("history", ("c", 0, 1000), entries(1, 2, 3)),
    "its end": ("history", ("c", 1, 2), entries(2, 3)),
    "its middle": ("history", ("c", 1, 1), entries(2, following=2)),
    "after its end": ("history", ("c", 3, 2), entries()),
    "no history": ("history", ("d", 0, 1000), entries()),
}
"""Calls on the three rows, each with a right answer."""

WRONG: dict[str, tuple[str, tuple[Any, ...], object, str]] = {
    "no answer": ("commit", ([create("d")],), [], "commit of 1 write returned []"),
    "two answers": ("commit", ([create("d")],), [None, None], "commit of 1 write returned [None, None]"),
    "another change": ("commit", ([create("a")],), [conflict("version", "b")], "returned [version conflict of 'b']"),
    "stale and stored": (
        "commit",
        ([create("a")],),
        [None],
        "answers [stored]; one after the other they would be [ver",
    ),
    "good and refused": ("commit", ([create("d")],), [conflict("version", "d")], "they would be [stored]"),
    "another reason": ("commit", ([create("a")],), [conflict("ticket", "a")], "they would be [version]"),
    "another holder": (
        "commit",
        ([follow(B, open_subject="s")],),
        [conflict("subject", "b", "c")],
        "no order of these writes explains the answers [subject held by 'c'];",
    ),
    "both": (
        "commit",
        ([create("d", ticket_key="t"), create("e", ticket_key="t")],),
        [None, None],
        "would be [stored, ticket held by 'd']",
    ),
    "a row of before": ("get", ("a",), attrs.evolve(A, state="draft"), "state is 'draft', must be 'applying'"),
    "a row that is not there": ("get", ("d",), A, "must be None"),
    "no row of it": ("get", ("a",), None, "it is None, must be 'a' v1"),
    "one row less": ("find", (Query(),), Rows(rows=(A, B)), "must be ['a' v1"),
    "too many": ("find", (Query(limit=1),), Rows(rows=(A, B), next=Cursor(value=None, id="a")), "must be ['a' v1"),
    "not the last page": (
        "find",
        (Query(limit=2),),
        Rows(rows=(A, B)),
        "next is None, must be Cursor(value=None, id='b')",
    ),
    "the last page": (
        "find",
        (Query(limit=3),),
        Rows(rows=(A, B, C), next=Cursor(value=None, id="c")),
        "next is Cursor(value=None, id='c'), must be None",
    ),
    "no entries": ("history", ("c", 0, 1000), entries(), "it is entries [], must be entries [1, 2, 3]"),
    "not the end": ("history", ("c", 0, 2), entries(1, 2), "must be entries [1, 2] and more"),
    "the end": ("history", ("c", 1, 2), entries(2, 3, following=3), "must be entries [2, 3]"),
    "a tuple": ("commit", ([],), (), "it must be a list, not tuple"),
    "nothing in place of a list": ("commit", ([],), None, "it must be a list, not NoneType"),
    "an error in the list": ("commit", ([create("d")],), [5], "each element must be a Conflict or None, not int"),
    "a tuple of columns": ("get", ("a",), ("a",), "it must be a Row or None, not tuple"),
    "a list of rows": ("find", (Query(),), [A, B, C], "it must be Rows, not list"),
    "rows in a list": ("find", (Query(),), Rows(rows=[A, B, C]), "its rows must be a tuple, not list"),  # type: ignore[arg-type]  # wrong
    "a place": ("find", (Query(),), Rows(rows=(A,), next=1), "next must be a Cursor or None, not int"),  # type: ignore[arg-type]  # wrong
    "names": ("find", (Query(),), Rows(rows=("a",)), "each of its rows must be a Row, not str"),  # type: ignore[arg-type]  # wrong
    "a list of entries": ("history", ("c", 0, 1), [], "it must be EntryRows, not list"),
    "entries in a list": ("history", ("c", 0, 1), EntryRows(entries=[]), "its entries must be a tuple, not list"),  # type: ignore[arg-type]  # wrong
    "numbers": ("history", ("c", 0, 1), EntryRows(entries=(1,)), "each of its entries must be an EntryRow, not int"),  # type: ignore[arg-type]  # wrong
    "a text": (
        "history",
        ("c", 0, 1),
        EntryRows(entries=(), next_seq="1"),  # type: ignore[arg-type]  # wrong
        "next_seq must be a number or None, not str",
    ),
}
"""Calls on the three rows, each with a wrong answer, and words of the message."""


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_answer_is_accepted(what: str) -> None:
    """Only a commit of which something was stored changes the contents."""
    name, arguments, answer = RIGHT[what]
    before = model()
    after = before.after_call(name, arguments, answer)
    assert (after == before) is (name != "commit" or None not in answer)  # type: ignore[operator]  # a list


def stored_after(writes: Sequence[Write], answer: Sequence[Conflict | None], unknown: Sequence[Write]) -> list[str]:
    """Return the ids in each of the possible contents after a race, besides those that were there before."""
    found = model().after_some(writes, answer, unknown)
    return sorted({"".join(sorted(one.rows.keys() - model().rows.keys())) for one in found})


def test_a_race_has_every_result_that_its_answers_allow() -> None:
    """A write without an answer was stored or not, before or after the others."""
    ours, other = create("d", ticket_key="t"), create("e", ticket_key="t")
    assert stored_after([create("d")], [None], [create("e"), create("f")]) == ["d", "de", "def", "df"]
    assert stored_after([ours], [None], [other]) == ["d"]
    for holder in ("e", None):
        assert stored_after([ours], [conflict("ticket", "d", holder)], [other]) == ["e"]
    assert stored_after([ours, other], [None, conflict("ticket", "e", "d")], []) == ["d"]
    assert stored_after([other, ours], [conflict("ticket", "e", "d"), None], []) == ["d"]


def test_a_race_has_no_result_if_an_answer_is_wrong() -> None:
    """Or if one is missing."""
    assert stored_after([create("a")], [None], []) == []
    assert stored_after([create("d")], [conflict("version", "d")], [create("e")]) == []
    assert stored_after([create("d")], [], []) == []


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_reported(what: str) -> None:
    """With what it is, and what it must be."""
    name, arguments, answer, words = WRONG[what]
    with pytest.raises(AssertionError) as caught:
        model().after_call(name, arguments, answer)
    assert words in str(caught.value)
    stored = [Call("commit", (writes,), [None] * len(writes)) for writes in BASE]
    with pytest.raises(DiffersFromTheModel) as found:
        compare(Recording(calls=[*stored, Call(name, arguments, answer)]))
    assert found.value.sentence == SENTENCES[name]


def test_what_a_write_stores() -> None:
    """A claim moves two columns; another write all, but a form that is None stays."""
    claimed = model().after([claim(attrs.evolve(A, state="approved", form=None), 9)], [None])
    assert claimed.rows["a"] == attrs.evolve(A, version=2, due_at=9)
    assert claimed.entries["a"] == (entry("a", 1),)
    followed = claimed.after([follow(claimed.rows["a"], state="approved", form=None, entries=2)], [None])
    assert followed.rows["a"] == attrs.evolve(
        claimed.rows["a"], version=3, seq=3, state="approved", updated_at=followed.rows["a"].updated_at
    )
    assert followed.entries["a"] == tuple(entry("a", number) for number in (1, 2, 3))
    without_entries = Model().after([create("a", entries=0, open_subject="s")], [None])
    assert (without_entries.rows["a"].open_subject, without_entries.entries["a"]) == ("s", ())


def test_a_commit_that_never_returned_may_have_stored_any_of_its_writes() -> None:
    """Each of them whole, and none that would have conflicted."""
    writes = [create("d", open_subject="t"), create("e", open_subject="t"), create("a")]
    found = [sorted(each.rows.keys() - {"a", "b", "c"}) for each in model().after_any(writes)]
    assert sorted(found) == [[], ["d"], ["e"]]
    both = [sorted(each.rows) for each in Model().after_any([create("d"), create("e")])]
    assert sorted(both) == [[], ["d"], ["d", "e"], ["d", "e"], ["e"]]


class Fails(PlainDict):
    """A store that counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Note whose history is read."""
        self.reads.append(change_id)
        return super().history(change_id, after_seq, limit)


def recorded(backend: PlainDict, *, in_short: bool = False) -> RecordedBackend:
    """Return the backend with its calls recorded."""
    return RecordedBackend(Recording(in_short=in_short), backend)


def test_in_the_end_all_rows_and_the_last_histories_are_read() -> None:
    """Of no more than 250 changes, so that a store in which each call is slow can be checked."""
    backend = recorded(bare := Fails())
    backend.commit([create(f"c{number:03}") for number in range(260)])
    backend.commit([create("c000")])
    look_through(backend)
    assert bare.reads == [f"c{number:03}" for number in range(10, 260)]
    assert [len(call.outcome.rows) for call in backend.recording.calls if call.name == "find"] == [100, 100, 60]  # type: ignore[attr-defined]  # of find
    compare(backend.recording)


def test_calls_whose_values_are_not_kept_are_not_compared() -> None:
    """Nor is anything read for that."""
    backend = recorded(bare := Fails(), in_short=True)
    backend.commit([create("a")])
    look_through(backend)
    compare(backend.recording)
    assert bare.reads == []


def test_calls_of_several_threads_are_not_compared() -> None:
    """They are judged by their times."""
    recording = Recording(calls=[Call("get", ("a",), A, by="one"), Call("get", ("a",), None, by="other")])
    compare(recording)
    with pytest.raises(DiffersFromTheModel):
        compare(Recording(calls=recording.calls[:1]))


def test_a_difference_has_the_sentence_of_the_method() -> None:
    """And the method's name; calls that raised and calls of other kinds are passed over."""
    calls = [
        Call("open"),
        Call("commit", ([create("d")],), ValueError("not valid")),
        Call("get", ("d",), None),
        Call("history", ("d", 0, 10), entries(1)),
    ]
    with pytest.raises(
        DiffersFromTheModel, match=r"^history: 'c' was found for 'd', which is another text; it is entries"
    ) as caught:
        compare(Recording(calls=calls))
    assert caught.value.sentence == SENTENCES["history"]


def test_other_names_have_no_declared_answer() -> None:
    """For example close."""
    check_answer("close", None)


def test_a_call_that_must_be_refused() -> None:
    """With this error, and not with another one or an answer."""
    refused(ValueError, "find(limit=0)", partial(_raises, ValueError("a limit")))
    with pytest.raises(AssertionError, match=r"find\(\) must raise ValueError, not KeyError: 'a'"):
        refused(ValueError, "find()", partial(_raises, KeyError("a")))
    with pytest.raises(AssertionError, match=r"find\(\) must raise ValueError; it returned 5"):
        refused(ValueError, "find()", lambda: 5)


def _raises(error: Exception) -> None:
    raise error


class RefusesBy(PlainDict):
    """A store that refuses a commit, in one way or another, and may store it."""

    def __init__(self, error: Exception, *, stores: bool = False) -> None:
        super().__init__()
        self._error, self._stores = error, stores

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Raise the error."""
        if self._stores:
            super().commit(writes)
        raise self._error


def test_a_refusal_names_the_change_and_leaves_no_trace() -> None:
    """An encoding error is not a refusal."""
    write = create("c1'")
    assert kept_or_refused(PlainDict(), write)
    assert not kept_or_refused(RefusesBy(ValueError("c1' is too long")), write)
    assert not kept_or_refused(RefusesBy(ValueError(f"{'x' * 40!r} is too long")), create("x" * 41))
    failing: dict[str, Callable[[], object]] = {
        "is an encoding error": partial(kept_or_refused, RefusesBy(UnicodeError("c1'")), write),
        "does not name the change": partial(kept_or_refused, RefusesBy(ValueError("too long")), write),
        "was refused, and is stored": partial(kept_or_refused, RefusesBy(ValueError("c1'"), stores=True), write),
    }
    for words, call in failing.items():
        with pytest.raises(AssertionError, match=words):
            call()


def test_a_write_without_a_conflict_must_be_stored() -> None:
    """And what is stored is there."""

    class Refuses(PlainDict):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            return [conflict("subject", write.row.id) for write in writes]

    with pytest.raises(AssertionError, match="but no other change has its values"):
        kept_or_refused(Refuses(), create("c1"))
    with pytest.raises(AssertionError, match=r"get\('c1'\) returned None"):
        present(PlainDict(), "c1")


def test_a_history_that_does_not_go_on_is_noticed() -> None:
    """It would be read for ever."""

    class StaysThere(PlainDict):
        def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
            return EntryRows(entries=(), next_seq=after_seq)

    class GivesMore(PlainDict):
        def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
            return entries(1, 2)

    with pytest.raises(AssertionError, match="the page's next_seq does not advance"):
        whole_history(StaysThere(), "c")
    with pytest.raises(AssertionError):
        whole_history(GivesMore(), "c", limit=1)


def test_pages_that_do_not_end_are_noticed() -> None:
    """An empty page that says that there are more would be read for ever."""

    class NeverEnds(PlainDict):
        def find(self, query: Query, /) -> Rows:
            return Rows(rows=(), next=Cursor(value=None, id="a"))

    with pytest.raises(AssertionError, match="an empty page says that there are more"):
        list(pages(NeverEnds(), Query()))


class _MyRow(Row):
    """A backend's own class of rows."""


def test_an_answer_of_a_backends_own_classes_is_made_plain() -> None:
    """Otherwise it would never equal what was written; an answer of the port's classes stays as it is."""
    row = create("c1").row
    mine = _MyRow(**{name: getattr(row, name) for name in attrs.fields_dict(Row)})
    assert mine != row
    for answer, wanted in ((mine, row), ([mine, None], [row, None]), (Rows(rows=(mine,)), Rows(rows=(row,)))):
        assert plain(answer) == wanted
    assert type(plain(mine)) is Row
    assert plain(row) is row
