"""The door itself: opened and closed, with or without callbacks, and its reading half alone."""

from __future__ import annotations

from typing import Any

import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.runtime.records import Records
from itsm_workflow.sandbox import acting
from tests.support.desk import ASKED, SUBJECT, Desk, Gateway


def test_a_workflow_is_closed_at_the_end_of_its_block() -> None:
    """Looks in the background are over then, and the store is let go of."""
    desk = Desk()
    with desk.workflow(after_callback="background") as workflow:
        change = workflow.apply(subject=SUBJECT, **ASKED)
        assert desk.gateway.hand_over(desk.decide(change), workflow.receive)

    assert desk.witness.triggers()[-1] == "approve"
    with pytest.raises(StorageUnavailable):
        desk.store.get(change.id)


class Foreign:
    """A gateway of another system: it was made from other settings than ours."""

    def __init__(self, inner: Gateway) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the port has
        if name == "settings":
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_a_gateway_without_settings_files_without_callbacks() -> None:
    """What was decided is found out by looking."""
    desk = Desk()
    workflow = desk.workflow(gateway=Foreign(desk.gateway))
    change = workflow.apply(subject=SUBJECT, **ASKED)

    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    assert ticket.callback_url == ""
    assert len(change.expect_attempt().key) == 26
    desk.clock.advance(1)
    desk.gateway.run_due()
    acting.decide(desk.ledger, ticket, "carol", approved=True, remark="")
    assert desk.pass_time() == []
    assert workflow.settle(change.id).state == State.APPROVED


def test_changes_can_be_read_without_a_gateway() -> None:
    """A page or a report needs the store only; it shows what is stored."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    records = Records(workflow._journal)
    desk.gateway.faults["get_ticket_info"] = AssertionError("asked")

    shown = records.status(change.id)
    assert (shown.state, shown.sn, shown.iframe_ticket_url) == ("pending", change.sn, None)
    assert (records.get(change.id), records.resolve(SUBJECT)) == (change, change)
    assert (records.why(change.id), records.allowed(change.id)) == (
        workflow.why(change.id),
        workflow.allowed(change.id),
    )


def test_a_subject_that_is_a_member_of_an_enum_is_kept_as_its_text() -> None:
    """It is a text; the store keeps no class of the host's, and gives the change back."""
    workflow = Desk().workflow()
    change = workflow.apply(subject=State.DRAFT, **ASKED)

    assert (type(change.subject), workflow.get(change.id)) == (str, change)
    assert [one.id for one in workflow.find(subject="draft")] == [change.id]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"storage": "memory://"}, r"^Workflow\(storage=...\) takes an open store, as open_storage\(url\) returns it$"),
        ({"gateway": "http://itsm"}, r"^Workflow\(gateway=...\) takes a TicketGateway"),
        ({"definition": "collector_change"}, r"^Workflow\(definition=...\) takes a WorkflowDefinition$"),
        ({"policy": 30}, r"^Workflow\(policy=...\) takes a Policy$"),
        ({"policy": {}}, r"^Workflow\(policy=...\) takes a Policy$"),
        ({"effects": []}, r"^Workflow\(effects=...\) takes lists of Effect by state, as a dictionary$"),
        ({"settings": {}}, r"^Workflow\(settings=...\) takes Settings, such as Settings.from_env\(\)$"),
        ({"callbacks": "no"}, r"^Workflow\(callbacks=...\) takes True or False$"),
        (
            {"after_callback": "never"},
            r"^Workflow\(after_callback=...\) takes background, inline, later or a function$",
        ),
        ({"observers": print}, r"^Workflow\(observers=...\) takes a list of objects with on_entry and on_trouble$"),
        ({"observers": [print]}, r"^Workflow\(observers=...\) takes a list of objects with on_entry and on_trouble$"),
        ({"clock": 3}, r"^Workflow\(clock=...\) takes a Clock$"),
        ({"entropy": b"x"}, r"^Workflow\(entropy=...\) takes a function of a number of bytes, such as os.urandom$"),
    ],
)
def test_a_part_that_is_none_is_named(wrong: dict[str, Any], told: str) -> None:
    """When the workflow is opened, not when the part is used."""
    desk = Desk()
    with pytest.raises(TypeError, match=told):
        Workflow(**{"storage": desk.store, "gateway": desk.gateway, **wrong})


class Named:
    """A gateway of any name."""

    def __init__(self, name: object) -> None:
        self.name = name

    def create(self) -> None:
        """Stand for all that a gateway does."""


@pytest.mark.parametrize("name", ["a:b", "", "a b", "名", "\ud800", "a" * 65, "a\n", 7, None])
def test_a_gateway_whose_name_could_not_be_read_again_is_refused(name: object) -> None:
    """A ticket is known by its gateway's name and its id, with a colon between."""
    told = r"^Workflow\(gateway=...\) takes a TicketGateway whose name is 1 to 64 of the letters A to Z"
    with pytest.raises(TypeError, match=told):
        Desk().workflow(gateway=Named(name))


@pytest.mark.parametrize("name", ["bk_itsm", "a", "my-itsm.v2", "A" * 64])
def test_a_gateway_may_have_any_plain_name(name: str) -> None:
    """Its tickets are read again."""
    desk = Desk()
    desk.gateway.name = name
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert workflow.get(change.id).expect_ticket().gateway == name
