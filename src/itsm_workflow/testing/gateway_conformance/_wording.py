"""The words for what a gateway returned: the parts of it that matter for a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.gateway.protocol import FoundTicket, TicketResult
    from itsm_workflow.machine.evidence import Snapshot

_NAMED = ("status", "approve_result", "approval_step", "step_running")


def snapshot_words(snapshot: Snapshot) -> str:
    """Return the parts of a snapshot that decide."""
    parts = [f"{name} {_word(getattr(snapshot, name))}" for name in _NAMED]
    deciders = ", ".join(f"{one.user} ({one.approved})" for one in snapshot.deciders)
    return ", ".join([*parts, f"deciders {deciders or 'none'}"])


def found_words(rows: Sequence[FoundTicket]) -> str:
    """Return the ids of tickets that were found, each with what differs or was not shown."""
    named = []
    for row in rows:
        parts = [*row.differences, *(f"{part}: not shown" for part in row.unseen)]
        named.append(f"ticket {row.id}" + (f" ({'; '.join(parts)})" if parts else ""))
    return ", ".join(named) or "nothing"


def result_differences(right: Mapping[str, TicketResult], shown: Mapping[str, TicketResult]) -> list[str]:
    """Return a sentence for each ticket whose result is missing, too much, or differs, with the parts that differ."""
    found = [f"ticket {one} is left out" for one in right if one not in shown]
    found += [f"ticket {one} is there" for one in shown if one not in right]
    for one, row in shown.items():
        if one in right and row != right[one]:
            found.append(f"ticket {one} differs: {', '.join(_different_parts(right[one], row))}")
    return found


def outcome_words(call: Callable[[], object]) -> tuple[object, str]:
    """Return the answer of a call with words for it; None with those for the exception that it raised."""
    try:
        answer = call()
    except BrokenPromise:
        raise
    except Exception as error:  # noqa: BLE001 - the caller compares the answer
        return None, f"raised {describe(error)}"
    return answer, f"answered {_word(answer)}"


def _different_parts(right: TicketResult, row: TicketResult) -> list[str]:
    names = [one.name for one in attrs.fields(type(right))]
    pairs = [(name, getattr(right, name), getattr(row, name)) for name in names]
    return [f"{name} {_word(theirs)} instead of {_word(ours)}" for name, ours, theirs in pairs if ours != theirs]


def _word(value: object) -> str:
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else repr(value)
