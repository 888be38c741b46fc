"""Reading changes: what guards a function, and what is found by which name."""

from __future__ import annotations

import pytest

from itsm_workflow.errors import NotApproved
from tests.unit.desk import ASKED, SUBJECT, Desk


def test_a_guarded_function_is_asked_with_all_its_arguments() -> None:
    """By place and by name, for the subject as for the work itself; it keeps its name and its result."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    workflow.settle(change.id)
    seen: list[tuple[str, int, str]] = []

    def subject_of(kind: str, number: int, *, place: str) -> str:
        seen.append((kind, number, place))
        return f"{kind}-{number}"

    @workflow.approval_required(subject_of)
    def start(kind: str, number: int, *, place: str) -> str:
        return f"{kind} {number} {place}"

    assert start("collector", number=42, place="here") == "collector 42 here"
    with pytest.raises(NotApproved, match="no change was ever submitted"):
        start("collector", 43, place="there")
    assert seen == [("collector", 42, "here"), ("collector", 43, "there")]
    assert start.__name__ == "start"
