"""When observers are called, in which thread, and what happens if they fail: the promises of the reference page."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State, open_storage
from tests.support.office import SUBJECT, Office, asked
from tests.support.places import Witness

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Entry, ItsmWorkflowError


class Threads(Witness):
    """Also records the name of the thread of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.of_entries: dict[str, str] = {}
        self.of_troubles: set[str] = set()

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Record the thread, then the entry."""
        self.of_entries[entry.trigger] = threading.current_thread().name
        super().on_entry(change, entry)

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Record the thread, then the error."""
        self.of_troubles.add(threading.current_thread().name)
        super().on_trouble(change_id, error)


@pytest.mark.parametrize("store_kind", ["sqlite"])
def test_an_entry_is_in_the_store_when_the_observer_is_called(office: Office) -> None:
    """Another connection sees it, with the change as the observer gets it."""
    seen: list[tuple[int, int, str, str]] = []

    class Reader(Witness):
        def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
            other = open_storage(office.store_url)
            row = other.get(change.id)
            other.close()
            assert row is not None
            seen.append((entry.seq, row.seq, row.state, change.state))

    office.workflow(observers=[Reader()]).apply(subject=SUBJECT, **asked())

    # The first three entries are in one commit.
    assert seen == [(n, 3, "applying", "applying") for n in (1, 2, 3)] + [(4, 4, "pending", "pending")]


def test_entries_come_in_order_and_once(office: Office) -> None:
    """As the history has them."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)

    assert office.witness.entries == workflow.history(change.id)


def test_the_thread_is_the_one_that_committed(office: Office) -> None:
    """The caller's, the server's, and the one in the background."""
    observer = Threads()
    workflow = office.workflow(observers=[observer], after_callback="background")
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    observer.wait_for("approve")

    own = threading.current_thread().name
    assert {observer.of_entries[trigger] for trigger in ("draft", "submit", "mark_sending", "record_ticket")} == {own}
    assert observer.of_entries["receive_callback"] not in {own, observer.of_entries["approve"]}
    assert observer.of_entries["approve"].startswith("itsm-workflow-callback_")


def test_a_ticket_that_cannot_be_read_is_reported_by_the_thread_of_its_look(office: Office) -> None:
    """So several threads may call an observer at the same time."""
    observer = Threads()

    workflow = office.workflow(observers=[observer])
    for number in range(2):
        workflow.apply(subject=f"{SUBJECT}-{number}", **asked())
    office.clock.advance(workflow.policy.poll.total_seconds() + 1)
    for endpoint in ("ticket_approval_result", "get_ticket_info"):
        office.sandbox.faults.status(endpoint, 502, always=True)

    assert workflow.reconcile(readers=2).failed == 2
    assert {name for name in observer.of_troubles if name.startswith("itsm-workflow-look_")}


def test_an_observer_that_fails_changes_nothing(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets its change, the other observers are notified, and the error is logged."""

    class Broken:
        def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
            raise ConnectionError("no metrics server")

        def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
            raise ConnectionError("no metrics server")

    workflow = office.workflow(observers=[Broken(), office.witness])
    change = workflow.apply(subject=SUBJECT, **asked())

    assert workflow.get(change.id).state == State.PENDING
    assert office.witness.entries == workflow.history(change.id)
    failed = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in failed] == [
        f"observer Broken failed on {entry.trigger}" for entry in office.witness.entries
    ]


def test_an_exit_in_an_observer_reaches_the_caller_after_the_commit(office: Office) -> None:
    """The intent is stored, so the next pass goes on."""

    class Ending(Witness):
        def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
            if entry.trigger == "mark_sending":
                raise SystemExit(3)

    with pytest.raises(SystemExit):
        office.workflow(observers=[Ending()]).apply(subject=SUBJECT, **asked())

    [change] = office.workflow().find()
    assert change.state == State.APPLYING
    assert not office.sandbox.tickets()
