"""Log lines and observers."""

from __future__ import annotations

import asyncio
import logging
import sys
from subprocess import run
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import ItsmWorkflowError, StorageUnavailable
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.runtime.observers import Observers
from tests.support import examples as x
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry

TROUBLE = StorageUnavailable("the disk is full")


class Listener:
    """Remembers what it was told, and in which order others were."""

    def __init__(self, told: list[tuple[Listener, object, object]]) -> None:
        self._told = told

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Hear of an entry."""
        self._told.append((self, change, entry))

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Hear of trouble."""
        self._told.append((self, change_id, error))


class Broken:
    """Fails whatever it is told."""

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Fail."""
        raise ConnectionError("no metrics server")

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Fail."""
        raise ConnectionError("no pager")


def approval() -> tuple[ChangeRequest, Entry]:
    """Return an approved change and the entry of its approval."""
    change, entry = x.told(x.PENDING, Trigger.APPROVE, x.finished(approved=True), at=20)
    assert entry is not None
    return change, entry


def test_observers_are_told_in_order() -> None:
    """Of entries and of troubles, each as it is."""
    told: list[tuple[Listener, object, object]] = []
    first, second = Listener(told), Listener(told)
    observers = Observers([first, second])
    change, entry = approval()
    observers.on_entry(change, entry)
    observers.on_trouble(x.ID, TROUBLE)

    assert told == [(first, change, entry), (second, change, entry), (first, x.ID, TROUBLE), (second, x.ID, TROUBLE)]


def test_an_observer_that_fails_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the others are told."""
    told: list[tuple[Listener, object, object]] = []
    observers = Observers([Broken(), Listener(told)])
    observers.on_entry(*approval())
    observers.on_trouble(x.ID, TROUBLE)

    assert len(told) == 2
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in failures] == [
        "observer Broken failed on approve",
        "observer Broken failed on storage.unavailable",
    ]
    assert [str(record.exc_info[1]) for record in failures if record.exc_info] == ["no metrics server", "no pager"]


def test_an_observer_whose_task_was_cancelled_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """In an event loop of its own: the process was not told to end."""

    class Cancelled(Broken):
        def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
            raise asyncio.CancelledError

        def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
            raise asyncio.CancelledError

        def traceparent(self) -> str:
            raise asyncio.CancelledError

    told: list[tuple[Listener, object, object]] = []
    observers = Observers([Cancelled(), Listener(told)])
    observers.on_entry(*approval())
    observers.on_trouble(x.ID, TROUBLE)

    assert observers.traceparent() == ""
    assert len(told) == 2
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 3


def test_an_observer_may_end_the_process() -> None:
    """What is no error is not caught."""

    class Ending(Broken):
        def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Observers([Ending()]).on_entry(*approval())


def test_an_entry_is_one_log_line_with_flat_extras(caplog: pytest.LogCaptureFixture) -> None:
    """A log platform can search by change, ticket, trigger, states and actor."""
    caplog.set_level(logging.INFO, "itsm_workflow")
    Observers().on_entry(*approval())

    [record] = caplog.records
    assert (record.name, record.levelname) == ("itsm_workflow", "INFO")
    assert record.getMessage() == f"approve of {x.ID}: pending -> approved"
    assert {name: value for name, value in vars(record).items() if name.startswith("itsm_")} == {
        "itsm_request_id": x.ID,
        "itsm_sn": "REQ7",
        "itsm_trigger": "approve",
        "itsm_from": "pending",
        "itsm_to": "approved",
        "itsm_actor": "carol",
    }


def test_the_first_entry_comes_from_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """It is told as new, and has no ticket."""
    caplog.set_level(logging.INFO, "itsm_workflow")
    Observers().on_entry(*x.opened())

    [record] = caplog.records
    assert record.getMessage() == f"draft of {x.ID}: new -> draft"
    assert (vars(record)["itsm_from"], vars(record)["itsm_sn"]) == ("", "")


@pytest.mark.parametrize(("change_id", "said"), [(x.ID, f"{x.ID}: the disk is full"), ("", "the disk is full")])
def test_trouble_is_one_warning(caplog: pytest.LogCaptureFixture, change_id: str, said: str) -> None:
    """Also if it is about no single change."""
    Observers().on_trouble(change_id, TROUBLE)

    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", said)
    assert (vars(record)["itsm_request_id"], vars(record)["itsm_error"]) == (change_id, TROUBLE)
    assert vars(record)["itsm_error_code"] == "storage.unavailable"


def test_what_a_form_says_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may be personal; the history has it."""
    caplog.set_level(0)
    Observers().on_entry(*x.opened())

    [record] = caplog.records
    assert [word for word in ("Collect access logs", "bob") if word in f"{record.getMessage()} {vars(record)!r}"] == []


def test_a_host_that_set_up_no_logging_sees_nothing() -> None:
    """A library does not write to a host's standard error."""
    program = (
        "from itsm_workflow.runtime.observers import Observers\n"
        "from itsm_workflow.errors import StorageUnavailable\n"
        "Observers().on_trouble('C1', StorageUnavailable('the disk is full'))\n"
    )
    done = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_a_host_of_the_client_alone_sees_nothing_either() -> None:
    """The client of the gateway can be used without a workflow."""
    program = (
        "from itsm_workflow.bkapi.call_log import logger\n"
        "from itsm_workflow.bkapi import retry\n"
        "logger.warning('slow')\n"
        "retry.logger.warning('again')\n"
    )
    done = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_no_line_of_transitions_reaches_the_log_of_a_host(caplog: pytest.LogCaptureFixture) -> None:
    """A whole life writes the library's own lines and nothing else, with no logger silenced by the host."""
    caplog.set_level(logging.INFO)
    assert logging.getLogger("transitions.core").getEffectiveLevel() == logging.INFO
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    workflow.settle(change.id)

    assert [record.name for record in caplog.records] == ["itsm_workflow"] * len(workflow.history(change.id))
    assert workflow.get(change.id).state == "approved"


def test_the_machine_of_a_host_logs_as_transitions_does(caplog: pytest.LogCaptureFixture) -> None:
    """So the test above would notice its lines."""
    caplog.set_level(logging.INFO)
    machine = COLLECTOR_CHANGE.machine()
    machine.get_state("pending").enter(type("Event", (), {"machine": machine, "model": None})())

    assert {record.name for record in caplog.records} == {"transitions.core"}
