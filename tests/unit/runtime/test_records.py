"""Reading changes: what guards a function, and what is found by which name."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.errors import AmbiguousChange, ChangeNotFound, NotApproved, StorageCorrupt
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.unit.runtime.test_journal import spoil


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


def test_a_name_that_nothing_goes_by_is_not_found_and_names_no_workflow() -> None:
    """Only a workflow that has such a change is named."""
    desk = Desk()
    other = attrs.evolve(COLLECTOR_CHANGE, name="other_change")
    desk.workflow(definition=other).apply(subject="theirs", **ASKED)

    with pytest.raises(ChangeNotFound) as nowhere:
        desk.workflow().resolve("nothing")
    with pytest.raises(ChangeNotFound) as elsewhere:
        desk.workflow().resolve("theirs")

    assert str(nowhere.value) == str(ChangeNotFound(name="nothing"))
    assert str(elsewhere.value) == str(ChangeNotFound(name="theirs", workflow="other_change"))


def test_a_name_of_a_damaged_change_is_not_unknown() -> None:
    """By id, subject or number; and a readable change of the same subject is not taken for it."""
    desk = Desk()
    workflow = desk.workflow()
    first = workflow.apply(subject=SUBJECT, **ASKED)
    spoil(desk, first.id)
    for name in (first.id, SUBJECT, first.sn or ""):
        with pytest.raises(StorageCorrupt, match=first.id):
            workflow.resolve(name)

    second = workflow.draft(subject=SUBJECT, **ASKED)
    with pytest.raises(AmbiguousChange) as caught:
        workflow.resolve(SUBJECT)
    assert caught.value.candidates == tuple(sorted([first.id, second.id]))


def test_a_subject_is_not_an_id() -> None:
    """The error of a read by id does not claim that no change has the subject, and names the method for it."""
    workflow = Desk().workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    pictures = workflow.graph, workflow.timeline, workflow.sequence
    for look in (workflow.get, workflow.why, workflow.settle, *pictures, workflow.allowed):
        with pytest.raises(ChangeNotFound, match=rf"^no change has the id '{SUBJECT}'; Workflow\.resolve finds"):
            look(SUBJECT)
    assert workflow.resolve(SUBJECT) == change
    with pytest.raises(ChangeNotFound, match="no change has the id ''"):
        workflow.graph("")


def test_damage_is_told_with_the_page_that_it_is_in() -> None:
    """Whoever stops after the first change has heard of it."""
    desk = Desk()
    workflow = desk.workflow()
    sound, damaged = sorted(workflow.apply(subject=f"collector-{number}", **ASKED).id for number in range(2))
    spoil(desk, damaged)
    told: list[tuple[str, type]] = []

    first = next(workflow.find(on_damage=lambda name, error: told.append((name, type(error)))))

    assert (first.id, told) == (sound, [(damaged, StorageCorrupt)])


def test_a_change_of_another_workflow_is_named_past_empty_pages() -> None:
    """In the advice of the error."""
    desk = Desk()
    workflow = desk.sparse()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    other = desk.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="another"))

    with pytest.raises(ChangeNotFound, match="a change of workflow collector"):
        other.resolve(change.id)
