"""A ticket that a person records: what the gateway does not show of it is a difference, and its names are checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.errors import InvalidForm, StorageConflict, TransitionRefused
from itsm_workflow.machine import evidence as ev
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.gateway.protocol import FoundTicket, SentTicket


def found_by_hand(key: str | None) -> tuple[Desk, Workflow, ChangeRequest, str]:
    """Return a change whose ticket no search shows, and the number of a ticket that is equal but for its key.

    Args:
        key: The key that the gateway shows of it; None for the change's own.
    """
    desk = Desk()
    workflow = desk.workflow()
    desk.hide_tickets()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert (change.state, change.ticket) == (State.APPLYING, None)
    find = desk.gateway.find_by_sn

    def by_sn(sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        shown = sent.attempt.key if key is None else key
        return [attrs.evolve(one, key=shown, differences=(), unseen=()) for one in find(sn, sent)]

    desk.gateway.find_by_sn = by_sn  # type: ignore[method-assign]  # what a gateway of one's own may answer
    return desk, workflow, change, desk.ledger.tickets()[0].sn


@pytest.mark.parametrize(("key", "shows"), [("", "not shown"), ("ANOTHER", "shows ANOTHER"), ("a\nb\0", "shows a\\nb")])
def test_a_key_that_was_not_seen_is_a_difference(key: str, shows: str) -> None:
    """Whatever else the gateway compares: nothing is bound without an override, and it keeps what was seen."""
    _, workflow, change, sn = found_by_hand(key)
    wanted = f"key: sent {change.expect_attempt().key}, {shows}"

    with pytest.raises(TransitionRefused) as refused:
        workflow.record_ticket(change.id, sn=sn, actor="olga")
    assert wanted in str(refused.value)
    assert "an operator can record it with override" in str(refused.value)
    assert workflow.get(change.id).ticket is None

    bound = workflow.record_ticket(change.id, sn=sn, actor="olga", override="the key was cut off by hand")
    recorded = next(one.evidence for one in workflow.history(bound.id) if isinstance(one.evidence, ev.TicketConfirmed))
    assert bound.sn == sn
    assert recorded.differences[0].startswith(wanted)
    assert recorded.key != change.expect_attempt().key


def test_a_ticket_that_shows_the_key_needs_no_override() -> None:
    """It is what was sent."""
    _, workflow, change, sn = found_by_hand(None)
    bound = workflow.record_ticket(change.id, sn=sn, actor="olga")
    recorded = next(one.evidence for one in workflow.history(bound.id) if isinstance(one.evidence, ev.TicketConfirmed))
    assert (bound.sn, recorded.key, recorded.differences) == (sn, change.expect_attempt().key, ())


@pytest.mark.parametrize("value", [None, 5, [], "", "\ud800", "REQ\n7", "REQ7 ", "\ufeffREQ7", "a" * 10_001])
@pytest.mark.parametrize("field", ["sn", "ticket_id"])
def test_a_value_that_names_no_ticket_is_refused_by_its_field(field: str, value: object) -> None:
    """Before the gateway is asked."""
    if (field, value) == ("ticket_id", None):
        return
    desk, workflow, change, _ = found_by_hand("")
    desk.faults.calls.clear()
    named: dict[str, Any] = {"sn": "REQ7", field: value}

    with pytest.raises(InvalidForm) as refused:
        workflow.record_ticket(change.id, actor="olga", **named)

    assert [one for one, _, _ in refused.value.problems] == [field]
    assert desk.faults.calls == []


def test_all_problems_are_raised_together() -> None:
    """Those of the actor and of the override as well."""
    _, workflow, change, _ = found_by_hand("")
    wrong: dict[str, Any] = {"sn": 5, "ticket_id": 7, "actor": None, "override": []}
    with pytest.raises(InvalidForm) as refused:
        workflow.record_ticket(change.id, **wrong)
    assert [one for one, _, _ in refused.value.problems] == ["sn", "ticket_id", "actor", "override"]


def test_a_ticket_of_another_change_is_refused_with_that_change() -> None:
    """No override is suggested, since none binds it."""
    desk, workflow, change, _ = found_by_hand("")
    desk.faults.clear()
    other = workflow.apply(subject="collector-43", **ASKED)
    sn = other.expect_ticket().sn

    said = (
        f"{sn} is the ticket of collector-43 (change {other.id}); {change.subject} (change {change.id}) was not written"
    )
    for override in ("", "the number is the same"):
        with pytest.raises(StorageConflict, match=re.escape(said)) as refused:
            workflow.record_ticket(change.id, sn=sn, actor="olga", override=override)
        assert (refused.value.kind, refused.value.holder) == ("ticket", other.id)
    assert workflow.get(change.id).ticket is None
