"""The judgement of a race: whether the answers of all threads and processes have an order that explains them.

The calls are judged for each change, each open subject and each ticket on its own, since each of these is linearizable
if the store is. A failure shows what each process did, and what was read from the store afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Rows
from itsm_workflow.testing.conformance._linearizable import State, Unexplained, unexplained
from itsm_workflow.testing.conformance._model import meets
from itsm_workflow.testing.conformance._operations import (
    NEW,
    operations_on_changes,
    operations_on_holders,
)
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._rows import found, whole_history
from itsm_workflow.testing.conformance._wording import asked, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from itsm_workflow.storage.protocol import Row, StorageBackend
    from itsm_workflow.testing.conformance._recording import Call

_BEFORE = 8
_AFTER = 4
_MOST_ROWS = 4
_MILLISECONDS = 1e6


def judge(
    calls: Sequence[Call], held: Sequence[Row] | None = None, *, may_refuse: str = "", of_reads: str = ""
) -> None:
    """Check the calls of a race, which begins with an empty store.

    Args:
        calls: All calls of all threads and processes, with the times at which they began and ended.
        held: The rows that the store held afterwards, for the report.
        may_refuse: The process of which every commit may raise StorageUnavailable.
        of_reads: The sentence that is broken if the answer that no order explains is that of a read, if it is not that
            of the promise.

    Raises:
        Shown: A call raised another error than StorageUnavailable, every commit of a process raised it and one of them
            while no other process made a call, find returned a row that does not meet the query, or no order of the
            calls explains their answers.
    """
    _check_errors(calls, may_refuse)
    _check_found(calls)
    for change_id, operations in operations_on_changes(calls).items():
        change = unexplained(operations, NEW)
        if change is not None:
            state = "does not exist" if change.state[0] is None else f"is {word(change.state[0])}"
            rows = None if held is None else [row for row in held if row.id == change_id]
            raise _shown(f"the change {change_id!a}", state, change, calls, rows, of_reads)
    for column, name in (("open_subject", "the open subject"), ("ticket_key", "the ticket")):
        for value, of_value in operations_on_holders(column, calls).items():
            held_by = unexplained(of_value, None)
            if held_by is not None:
                state = "is free" if held_by.state is None else f"is held by {held_by.state!a}"
                rows = None if held is None else [row for row in held if getattr(row, column) == value]
                raise _shown(f"{name} {value!a}", state, held_by, calls, rows, of_reads)


def read_again(backend: StorageBackend, calls: Sequence[Call]) -> list[Row]:
    """Read each change that these calls wrote, whole, for the judgement; return the rows that are there.

    Raises:
        AssertionError: A query finds another change.
    """
    written = {write.row.id for call in calls if call.name == "commit" for write in call.arguments[0]}
    assert set(found(backend)) <= written, "the store holds changes that were not written"
    held = [row for change_id in sorted(written) if (row := backend.get(change_id)) is not None]
    for row in held:
        whole_history(backend, row.id)
    return held


def timed(calls: Iterable[Call], zero: int) -> tuple[str, ...]:
    """Return calls one a line: who made it, from when to when in milliseconds, and its answer.

    Args:
        calls: The calls.
        zero: The time from which the milliseconds are counted.
    """
    listed = sorted(calls, key=lambda call: call.began)
    width = max((len(call.by) for call in listed), default=0)
    return tuple(f"{call.by:<{width}}  {_bracket(call, zero)}  {_line(call)}" for call in listed)


def _line(call: Call) -> str:
    return str(call) if call.ended is not None else f"{call.text or asked(call.name, call.arguments)} did not return"


def _bracket(call: Call, zero: int) -> str:
    end = "" if call.ended is None else f"{(call.ended - zero) / _MILLISECONDS:.3f}"
    return f"{(call.began - zero) / _MILLISECONDS:9.3f} to {end:>9} ms"


def _check_errors(calls: Sequence[Call], may_refuse: str) -> None:
    zero = min((call.began for call in calls), default=0)
    for call in calls:
        failed = isinstance(call.outcome, BaseException)
        if failed and not isinstance(call.outcome, StorageUnavailable):
            error = call.outcome
            raise Shown(
                f"{call.by}: {call.name} raised {type(error).__name__}: {error}",
                timed([near for near in calls if _overlap(near, call)][:_BEFORE], zero),
            )
    commits = [call for call in calls if call.name == "commit" and call.ended is not None]
    for by in dict.fromkeys(call.by for call in commits):
        own = [call for call in commits if call.by == by]
        if by == may_refuse or not all(isinstance(call.outcome, StorageUnavailable) for call in own):
            continue
        # A backend that does not wait refuses a commit beside another call, and by chance every one of a process.
        if any(not any(near.by != by and _overlap(near, call) for near in calls) for call in own):
            raise Shown(f"{by}: every commit raised StorageUnavailable", timed(own[:_BEFORE], zero))


def _check_found(calls: Sequence[Call]) -> None:
    """Check that each row meets the query that found it, since its conditions and its columns are of one moment."""
    zero = min((call.began for call in calls), default=0)
    for call in calls:
        if call.name != "find" or not isinstance(call.outcome, Rows):
            continue
        (query,) = call.arguments
        for row in call.outcome.rows:
            if not meets(row, query):
                near = [other for other in calls if _overlap(other, call)][:_BEFORE]
                raise Shown(f"{call.by}: find({word(query)}) returned {word(row)}", timed(near, zero))


def _overlap(one: Call, other: Call) -> bool:
    ends = (call.ended if call.ended is not None else float("inf") for call in (one, other))
    return max(one.began, other.began) <= min(ends)


def _shown(  # noqa: PLR0917  # for judge alone
    what: str,
    state: str,
    found: Unexplained[State],
    calls: Sequence[Call],
    rows: list[Row] | None,
    of_reads: str,
) -> Shown:
    wrong = min(found.candidates, key=lambda each: each.ended or 0)
    explained = _distinct(each.source for each in found.order)
    shown = explained[-_BEFORE:]
    pending = _distinct(each.source for each in found.candidates)
    shown += [call for call in pending[:_AFTER] if call not in shown]
    commits = [call for call in calls if call.name == "commit" and call not in shown]
    shown += [call for call in commits if any(_overlap(call, near) for near in shown)][:_AFTER]
    zero = min(call.began for call in calls)
    lines = timed(shown, zero)
    left_out = len(explained) - _BEFORE
    if left_out > 0:
        lines = (f"({left_out} earlier calls of {what} have an order)", *lines)
    if rows is not None:
        more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
        lines = (*lines, f"read afterwards: {'; '.join(map(word, rows[:_MOST_ROWS])) or 'nothing of it'}{more}")
    message = f"no order of these calls explains their answers about {what}: it {state}"
    sentence = "" if wrong.source.name == "commit" else of_reads
    return Shown(f"{message}, and {wrong.source.by} {wrong.meaning()}", lines, sentence)


def _distinct(sources: Iterable[Call]) -> list[Call]:
    return list({id(source): source for source in sources}.values())
