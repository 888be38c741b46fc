"""The judgement of races: what has no order is found for each change, subject and ticket, and shown as it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows, Query, Rows
from itsm_workflow.testing.conformance._dying import check_made
from itsm_workflow.testing.conformance._judging import judge, read_again, timed
from itsm_workflow.testing.conformance._recording import Call, Recording
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    import random

    from itsm_workflow.storage.protocol import Row, Write

MILLISECOND = 1_000_000


def call(by: str, began: int, ended: int | None, name: str, *arguments: Any, outcome: object = None) -> Call:
    """Return a call of that process, from one millisecond to another."""
    end = None if ended is None else ended * MILLISECOND
    return Call(name, arguments, outcome, by=by, began=began * MILLISECOND, ended=end)


def commit(by: str, began: int, ended: int | None, write: Write, outcome: Conflict | Exception | None = None) -> Call:
    """Return a commit of one write."""
    answer = outcome if isinstance(outcome, Exception) else [outcome]
    return call(by, began, ended, "commit", [write], outcome=answer)


def get(by: str, began: int, ended: int, change_id: str, row: Row | None) -> Call:
    """Return a call of get."""
    return call(by, began, ended, "get", change_id, outcome=row)


def conflict(kind: ConflictKind, change_id: str, holder: str | None = None) -> Conflict:
    """Return a conflict."""
    return Conflict(kind=kind, change_id=change_id, holder=holder)


FIRST = create("c1")
ROW = FIRST.row
WON, LOST = follow(ROW, state="pending"), follow(ROW, state="approved")

WRONG: dict[str, tuple[str, list[Call]]] = {
    "a row that does not meet its query": (
        "q: find(states=('applying',)) returned 'c1' v2 seq 2 (state='pending')",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 5, WON),
            call("q", 3, 6, "find", Query(states=("applying",)), outcome=Rows(rows=(WON.row,))),
        ],
    ),
    "two writers of one version": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q answered stored for follow 'c1' v1",
        [commit("p", 0, 1, FIRST), commit("p", 2, 5, WON), commit("q", 3, 6, LOST)],
    ),
    "a conflict without another writer": (
        "the change 'c1': it is 'c1' v1 seq 1, and q answered version conflict of 'c1' for follow 'c1' v1",
        [commit("p", 0, 1, FIRST), commit("q", 3, 6, LOST, conflict(ConflictKind.VERSION, "c1"))],
    ),
    "a stale claim": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q answered stored for claim 'c1' v1",
        [commit("p", 0, 1, FIRST), commit("p", 2, 3, WON), commit("q", 4, 5, claim(ROW, 5))],
    ),
    "a stale read": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q read 'c1' v1 seq 1 by get",
        [commit("p", 0, 1, FIRST), commit("p", 2, 3, WON), get("q", 4, 5, "c1", ROW)],
    ),
    "a read that goes back": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q found no 'c1' by find",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 9, WON),
            get("q", 3, 4, "c1", WON.row),
            call("q", 5, 6, "find", Query(ids=("c1",)), outcome=Rows(rows=())),
        ],
    ),
    "a row without its entries": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q read entries [1] in history('c1', 0, 9)",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 9, WON),
            get("q", 3, 4, "c1", WON.row),
            call("q", 5, 6, "history", "c1", 0, 9, outcome=EntryRows(entries=(entry("c1", 1),))),
        ],
    ),
    "a claim that moves more than the due time": (
        "the change 'c1': it is 'c1' v2 seq 1 (due_at=5), and q read 'c1' v2 seq 1 (state='approved', due_at=5)",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 3, claim(attrs.evolve(ROW, state="approved"), 5)),
            get("q", 4, 5, "c1", attrs.evolve(ROW, version=2, due_at=5, state="approved")),
        ],
    ),
    "a form that was not written": (
        "the change 'c1': it is 'c1' v2 seq 2, and q read 'c1' v2 seq 2 (form=None) by get",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 3, follow(ROW, form=None)),
            get("q", 4, 5, "c1", follow(ROW, form=None).row),
        ],
    ),
    "a subject of two changes": (
        "the open subject 's': it is held by 'c1', and q answered stored for create 'c2' (open_subject='s')",
        [commit("p", 0, 5, create("c1", open_subject="s")), commit("q", 1, 6, create("c2", open_subject="s"))],
    ),
    "a subject conflict without a holder": (
        "the open subject 's': it is free, and q answered subject conflict of 'c2' for create 'c2' (open_subject='s')",
        [commit("q", 1, 6, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2"))],
    ),
    "a subject conflict that names another holder": (
        "the open subject 's': it is held by 'c1', and q answered subject conflict of 'c2', held by 'c3' for",
        [
            commit("p", 0, 1, create("c3")),
            commit("p", 2, 3, create("c1", open_subject="s")),
            commit("q", 4, 6, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2", "c3")),
        ],
    ),
    "a subject that its holder has released": (
        "the open subject 's': it is free, and q answered subject conflict of 'c2' for",
        [
            commit("p", 0, 1, create("c1", open_subject="s")),
            commit("p", 2, 3, follow(create("c1").row)),
            commit("q", 4, 6, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2")),
        ],
    ),
    "a ticket conflict before the subject was checked": (
        "the open subject 's': it is held by 'c1', and q answered ticket conflict of 'c2' for",
        [
            commit("p", 0, 1, create("c1", open_subject="s", ticket_key="t")),
            commit("q", 2, 3, create("c2", open_subject="s", ticket_key="t"), conflict(ConflictKind.TICKET, "c2")),
        ],
    ),
    "a holder that is not found": (
        "the open subject 's': it is held by 'c1', and q found () by find(open_subject='s')",
        [
            commit("p", 0, 1, create("c1", open_subject="s")),
            call("q", 2, 3, "find", Query(open_subject="s"), outcome=Rows(rows=())),
        ],
    ),
    "a ticket of two changes": (
        "the ticket 't': it is held by 'c1', and q answered stored for create 'c2' (ticket_key='t')",
        [commit("p", 0, 5, create("c1", ticket_key="t")), commit("q", 1, 6, create("c2", ticket_key="t"))],
    ),
    "a subject that is read after another has taken it": (
        "the open subject 's': it is held by 'c2', and q read that 'c1' holds it",
        [
            commit("p", 0, 1, create("c1", open_subject="s")),
            commit("p", 2, 20, follow(ROW)),
            commit("q", 3, 4, create("c2", open_subject="s")),
            get("q", 5, 6, "c1", create("c1", open_subject="s").row),
        ],
    ),
    "a subject that is not read though it was refused": (
        "the open subject 's': it is held by 'c1', and q read that 'c1' does not hold it",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 20, follow(ROW, open_subject="s")),
            commit("q", 3, 4, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2")),
            get("q", 5, 6, "c1", ROW),
        ],
    ),
    "a row of before in a list": (
        "the change 'c1': it is 'c1' v2 seq 2 (state='pending'), and q read 'c1' v1 seq 1 by find",
        [
            commit("p", 0, 1, FIRST),
            commit("p", 2, 3, WON),
            call("q", 4, 5, "find", Query(workflow="collector"), outcome=Rows(rows=(ROW,))),
        ],
    ),
    "a name that is not found": (
        "the change 'c1': it is 'c1' v1 seq 1, and q found no 'c1' by find",
        [commit("p", 0, 1, FIRST), call("q", 2, 3, "find", Query(ids=("c1",), limit=2), outcome=Rows(rows=()))],
    ),
    "a history that ends early": (
        "the change 'c1': it is 'c1' v1 seq 3, and q read entries [1, 2] in history('c1', 0, 2)",
        [
            commit("p", 0, 1, create("c1", entries=3)),
            call("q", 2, 3, "history", "c1", 0, 2, outcome=EntryRows(entries=create("c1", entries=2).entries)),
        ],
    ),
    "an error that the port does not have": (
        "q: commit raised KeyError: 'c1'",
        [commit("p", 0, 1, FIRST), commit("q", 2, 3, WON, KeyError("c1"))],
    ),
    "a process that is always refused": (
        "q: every commit raised StorageUnavailable",
        [commit("p", 0, 1, FIRST), commit("q", 2, 3, WON, StorageUnavailable("locked"))],
    ),
    "fewer answers than writes": (
        "q: commit of 2 writes returned 1 answer",
        [call("q", 0, 1, "commit", [FIRST, create("c2")], outcome=[None])],
    ),
}

RIGHT: dict[str, list[Call]] = {
    "a process whose commits are all refused beside others": [
        commit("p", 0, 20, FIRST),
        *(commit("q", at, at + 1, create(f"c{at}"), StorageUnavailable("locked")) for at in range(2, 12)),
    ],
    "a history in two pages": [
        commit("p", 0, 1, create("c1", entries=3)),
        call("q", 2, 3, "history", "c1", 0, 2, outcome=EntryRows(entries=create("c1", entries=2).entries, next_seq=2)),
        call("q", 4, 5, "history", "c1", 2, 2, outcome=EntryRows(entries=create("c1", entries=3).entries[2:])),
    ],
    "a form that is replaced": [
        commit("p", 0, 1, FIRST),
        commit("p", 2, 3, follow(ROW, form="[]")),
        get("q", 4, 5, "c1", follow(ROW, form="[]").row),
    ],
    "a claim that does not mention the subject": [
        commit("p", 0, 1, create("c1", open_subject="s")),
        commit("p", 2, 3, claim(ROW, 5)),
        commit("q", 4, 5, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2", "c1")),
    ],
    "a loser": [
        commit("p", 0, 1, FIRST),
        commit("p", 2, 5, WON),
        commit("q", 3, 6, LOST, conflict(ConflictKind.VERSION, "c1")),
        get("q", 4, 6, "c1", ROW),
        get("q", 7, 8, "c1", WON.row),
        get("q", 7, 8, "c2", None),
    ],
    "a write whose outcome is not known, and that is seen": [
        commit("p", 0, 1, FIRST),
        commit("p", 2, 5, WON, StorageUnavailable("the answer was lost")),
        get("q", 6, 7, "c1", ROW),
        get("q", 8, 9, "c1", WON.row),
    ],
    "two writes whose outcomes are not known": [
        commit("p", 0, 1, FIRST),
        commit("p", 2, 3, WON, StorageUnavailable("the answer was lost")),
        commit("p", 4, 5, follow(WON.row, state="approved"), StorageUnavailable("the answer was lost")),
        get("r", 6, 7, "c1", follow(WON.row, state="approved").row),
    ],
    "a call that never returned": [
        commit("p", 0, 1, FIRST),
        commit("q", 2, None, WON),
        get("p", 6, 7, "c1", WON.row),
    ],
    "a subject that goes from one to the other": [
        commit("p", 0, 1, create("c1", open_subject="s")),
        commit("q", 2, 3, create("c2", open_subject="s"), conflict(ConflictKind.SUBJECT, "c2", "c1")),
        commit("p", 4, 7, follow(create("c1").row)),
        commit("q", 5, 8, create("c2", open_subject="s")),
        call("q", 9, 10, "find", Query(open_subject="s"), outcome=Rows(rows=(create("c2", open_subject="s").row,))),
    ],
    "an order by time leaves out a holder that is not due": [
        commit("p", 0, 1, create("c1", open_subject="s")),
        call("q", 2, 3, "find", Query(open_subject="s", due_before=5), outcome=Rows(rows=())),
    ],
    "a page that is full says nothing of the others": [
        commit("p", 0, 1, FIRST),
        commit("p", 2, 3, create("c2")),
        call("q", 4, 5, "find", Query(ids=("c1", "c2"), limit=1), outcome=Rows(rows=(ROW,))),
    ],
    "a read that failed": [
        commit("p", 0, 1, FIRST),
        call("q", 2, 3, "get", "c1", outcome=StorageUnavailable("away")),
    ],
}


def test_each_write_of_a_commit_that_was_interrupted_is_there_or_not() -> None:
    """Whether or not the other one is; what was answered as stored is there, and nothing that nobody wrote."""
    check_made({"c0-1"}, "c0", 2)
    check_made({"c0-1", "c0-2"}, "c0", 2)
    with pytest.raises(AssertionError, match="c0-1: answered as stored, but lost when the process was killed"):
        check_made({"c0-2"}, "c0", 2)
    with pytest.raises(AssertionError, match="c0-3: there, but no process wrote it"):
        check_made({"c0-1", "c0-3"}, "c0", 2)


@pytest.mark.parametrize("what", WRONG)
def test_what_has_no_order_is_found(what: str) -> None:
    """With the change, subject or ticket, what it was then, and the answer that does not fit."""
    words, calls = WRONG[what]
    with pytest.raises(Shown) as caught:
        judge(list(reversed(calls)))
    assert words in str(caught.value)
    assert str(calls[-1]) in caught.value.lines[-1]


@pytest.mark.parametrize("what", RIGHT)
def test_what_has_an_order_is_not_reported(what: str) -> None:
    """Whatever the sequence in which the calls were collected."""
    judge(RIGHT[what])
    judge(list(reversed(RIGHT[what])))


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 7), max_size=30))
def test_the_calls_of_a_correct_store_are_not_reported(dice: random.Random, acts: list[int]) -> None:
    """Whatever is called, and however long each call seems to have taken."""
    recording, backend = Recording(by="p"), MemoryBackend()
    recorded = recording.of("backend", backend)
    for number, act in enumerate(acts):
        name = f"c{dice.randrange(3)}"
        columns: dict[str, Any] = {
            "open_subject": dice.choice((None, "s", "t")),
            "ticket_key": dice.choice((None, "k", "l")),
        }
        row = backend.get(name)
        if act == 0:
            recorded.history(name, dice.randrange(3), 1 + dice.randrange(3))
        elif act == 1:
            recorded.find(Query(open_subject=dice.choice(("s", "t"))))
        elif act == 2:
            recorded.find(Query(ids=("c0", "c1"), limit=1 + dice.randrange(3)))
        elif act == 3:
            recorded.get(name)
        elif row is None:
            recorded.commit([create(name, entries=dice.randrange(3), **columns), create(f"new{number}", **columns)])
        elif act == 4:
            recorded.commit([claim(row, dice.randrange(5))])
        else:
            recorded.commit([follow(row, form=None, **columns)])
    long = [
        attrs.evolve(
            each,
            began=MILLISECOND * (10 * place - dice.randrange(40)),
            ended=MILLISECOND * (10 * place + dice.randrange(40)),
            by=f"process {dice.randrange(4)}",
        )
        for place, each in enumerate(recording.calls)
    ]
    dice.shuffle(long)
    judge(long)


def test_a_report_shows_what_each_did_and_what_the_store_held() -> None:
    """One call a line, by its time; then the rows of the changes that are shown."""
    one, other = create("c1", ticket_key="t"), create("c2", ticket_key="t")
    with pytest.raises(Shown) as caught:
        judge(
            [commit("process 1", 10, 15, one), commit("q", 11, 16, other)],
            [one.row, other.row, create("c3").row],
        )
    assert caught.value.lines == (
        "process 1      0.000 to     5.000 ms  commit([create 'c1' (ticket_key='t')]) -> [None]",
        "q              1.000 to     6.000 ms  commit([create 'c2' (ticket_key='t')]) -> [None]",
        "read afterwards: 'c1' v1 seq 1 (ticket_key='t'); 'c2' v1 seq 1 (ticket_key='t')",
    )


def test_a_long_race_is_shown_from_near_its_end() -> None:
    """What is explained before is counted."""
    row, calls = ROW, [commit("p", 0, 1, FIRST)]
    for number in range(1, 40):
        write = follow(row)
        calls.append(commit("p", 10 * number, 10 * number + 1, write))
        row = write.row
    calls.append(commit("q", 500, 501, LOST))
    with pytest.raises(Shown) as caught:
        judge(calls, [])
    assert caught.value.lines[0] == "(32 earlier calls of the change 'c1' have an order)"
    assert len(caught.value.lines) == 11
    assert "follow 'c1' v1 (state='approved')" in caught.value.lines[-2]
    assert caught.value.lines[-1] == "read afterwards: nothing of it"


def test_of_many_rows_the_first_are_shown() -> None:
    """A value that many changes hold."""
    writes = [create(f"c{number}", open_subject="s") for number in range(6)]
    with pytest.raises(Shown) as caught:
        judge([commit(f"p{place}", 0, 1, write) for place, write in enumerate(writes)], [w.row for w in writes])
    assert caught.value.lines[-1].endswith("; 'c3' v1 seq 1 (open_subject='s') and 2 more")


def test_a_call_that_never_returned_is_shown_as_such() -> None:
    """Without an end, and without an answer."""
    (line,) = timed([commit("p", 2, None, FIRST)], 0)
    assert line == "p      2.000 to           ms  commit([create 'c1']) did not return"


@pytest.mark.parametrize(("which", "sentence"), [("a stale read", "of reads"), ("a stale claim", "")])
def test_only_an_answer_of_a_read_quotes_the_sentence_of_reads(which: str, sentence: str) -> None:
    """A promise about calls of all kinds quotes the sentence of the kind that is wrong."""
    with pytest.raises(Shown) as caught:
        judge(WRONG[which][1], of_reads="of reads")
    assert caught.value.sentence == sentence


class Asked(MemoryBackend):
    """Notes the changes that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, change_id: str, /) -> Row | None:
        """Read one."""
        self.asked.append(change_id)
        return super().get(change_id)


def test_each_change_that_was_written_is_read_again() -> None:
    """Also one that is gone: its absence is an answer to judge. Another one is nobody's."""
    backend, lost = Asked(), create("c2")
    assert backend.commit([FIRST]) == [None]
    calls = [commit("p", 0, 1, FIRST), commit("q", 2, 3, lost), get("q", 4, 5, "c3", None)]
    assert (read_again(backend, calls), backend.asked) == ([ROW], ["c1", "c2"])
    with pytest.raises(AssertionError, match="holds changes that were not written"):
        read_again(backend, calls[1:])
