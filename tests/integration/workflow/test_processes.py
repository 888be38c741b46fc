"""Processes that share a store: one wins each race, and one that is killed at the worst moment leaves one ticket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from itsm_workflow import BkItsmGateway, Settings, State, Workflow
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.secrets import Secret
from tests.support.attention import reason_of
from tests.support.limits import PATIENCE
from tests.support.office import SUBJECT, asked, triggers
from tests.support.stores import SHARED_STORE
from tests.support.worker import LaterClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.sandbox import Armed

ROOT = Path(__file__).parents[3]
LEASE = 31.0
"""Seconds after which a sender that is silent counts as gone."""


class Worker:
    """Another process that runs `worker.py`."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def hear(self) -> dict[str, Any]:
        """Return the next line that the process prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the worker ended without a word"
        told: dict[str, Any] = json.loads(line)
        return told

    def go_on(self) -> None:
        """Let it go on from where it waits."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it immediately, and wait until it has ended."""
        self._process.kill()
        self._process.wait(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Site:
    """A ticket system whose time is this machine's, a store, and processes over them."""

    def __init__(self, store_url: str) -> None:
        self.store_url = store_url
        self.sandbox = Sandbox(start_delay=0.0, decision_delay=0.0)
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._closing.enter_context(self.sandbox)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def start(self, what: str, *numbers: str, ahead: float = 0.0) -> Worker:
        """Start another process, for these tickets if it adopts, and wait until it is about to begin."""
        arguments = (self.store_url, self.sandbox.url, what, str(ahead), *numbers)
        worker = Worker([sys.executable, "-m", "tests.support.worker", *arguments])
        self._closing.callback(worker.kill)
        assert "waits" in worker.hear()
        return worker

    def reconcile_elsewhere(self, *, ahead: float) -> dict[str, Any]:
        """Let another process make one pass, and return its report."""
        worker = self.start("reconcile", ahead=ahead)
        worker.go_on()
        return worker.hear()

    def workflow(self, *, ahead: float = 0.0) -> Workflow:
        """Open a workflow in this process."""
        settings = Settings(
            app_code="collector", app_secret=Secret("made up"), gateway_url=self.sandbox.url, fast_approval=True
        )
        clock = LaterClock(ahead)
        gateway = BkItsmGateway(settings, clock=clock)
        self._closing.callback(gateway.close)
        workflow = Workflow(storage=self.store_url, gateway=gateway, callbacks=False, clock=clock)
        self._closing.callback(workflow.close)
        return workflow


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    """Open a site."""
    with Site(store_url) as opened:
        yield opened


def kill_while_the_answer_is_held(site: Site) -> Armed:
    """Kill a process that applies once the ticket system has the ticket and before it has answered."""
    held = site.sandbox.faults.hold("create_ticket")
    worker = site.start("apply")
    worker.go_on()
    assert held.wait_reached(PATIENCE)
    worker.kill()
    return held


@pytest.mark.long
@SHARED_STORE
def test_processes_that_apply_at_once_make_one_ticket(site: Site) -> None:
    """One files the ticket, the others learn that it is there."""
    workers = [site.start("apply") for _ in range(3)]

    for worker in workers:
        worker.go_on()
    told = [worker.hear() for worker in workers]

    filed = [one for one in told if "id" in one]
    (ticket,) = site.sandbox.tickets()
    assert [(one["state"], one["sn"]) for one in filed] == [("pending", ticket.sn)]
    assert [one["error"] for one in told if "error" in one] == ["AlreadyApplied"] * 2


@SHARED_STORE
def test_process_killed_while_it_waits_for_the_answer_leaves_a_ticket_that_is_found(site: Site) -> None:
    """The ticket system had stored it: another process binds the change to that very ticket, and sends nothing."""
    kill_while_the_answer_is_held(site)
    (ticket,) = site.sandbox.tickets()

    report = site.reconcile_elsewhere(ahead=LEASE)

    workflow = site.workflow()
    change = workflow.resolve(SUBJECT)
    assert (report["due"], report["moved"]) == (1, 1)
    assert (change.state, change.expect_ticket().id, change.expect_attempt().key) == (
        State.PENDING,
        str(ticket.id),
        ticket.tag,
    )
    assert triggers(workflow, change) == ["draft", "submit", "mark_sending", "mark_unknown", "record_ticket"]
    assert len(site.sandbox.tickets()) == 1


@pytest.mark.long
def test_change_of_a_killed_process_is_left_alone_while_its_lease_lasts(tmp_path: Path) -> None:
    """Its sender may only be slow."""
    with Site(f"sqlite:///{tmp_path / 'changes.db'}") as site:
        kill_while_the_answer_is_held(site)

        assert site.reconcile_elsewhere(ahead=0)["due"] == 0
        assert site.workflow().resolve(SUBJECT).expect_attempt().phase == Phase.SENDING


@pytest.mark.long
@SHARED_STORE
def test_process_killed_between_the_answer_and_its_record_leaves_a_ticket_that_is_found(site: Site) -> None:
    """It knew the ticket and could not store it any more."""
    worker = site.start("apply_to_the_record")
    worker.go_on()
    assert worker.hear() == {"waits": "before commit 2"}
    worker.kill()
    (ticket,) = site.sandbox.tickets()
    assert site.workflow().resolve(SUBJECT).ticket is None

    site.reconcile_elsewhere(ahead=LEASE)

    change = site.workflow().resolve(SUBJECT)
    assert (change.state, change.expect_ticket().id) == (State.PENDING, str(ticket.id))
    assert len(site.sandbox.tickets()) == 1


@pytest.mark.long
@SHARED_STORE
def test_a_change_of_a_process_that_was_killed_before_its_send_is_not_sent_again(site: Site) -> None:
    """It cannot be known whether it was sent, so its ticket is looked up, and finally attention is raised."""
    worker = site.start("apply_to_the_mark")
    worker.go_on()
    assert worker.hear() == {"waits": "after commit 1"}
    worker.kill()

    site.reconcile_elsewhere(ahead=LEASE)
    for ahead in (40.0, 50.0, 90.0, 220.0, 470.0, 960.0):
        site.workflow(ahead=ahead).reconcile()

    change = site.workflow().resolve(SUBJECT)
    assert (change.state, reason_of(change)) == (State.APPLYING, AttentionReason.NOT_FOUND)
    assert site.sandbox.tickets() == ()


@pytest.mark.long
@SHARED_STORE
def test_processes_that_reconcile_at_once_move_each_change_once(site: Site) -> None:
    """Their reports add up to what was due."""
    workflow = site.workflow()
    changes: list[ChangeRequest] = []
    for number in range(12):
        changes.append(workflow.apply(subject=f"collector-{number}", **asked()))
        site.sandbox.approve(changes[-1].sn or "")
    site.sandbox.wait(lambda ledger: all(ticket.approve_result for ticket in ledger.tickets()))
    workers = [site.start("reconcile", ahead=301.0) for _ in range(3)]

    for worker in workers:
        worker.go_on()
    reports = [worker.hear() for worker in workers]

    assert (sum(one["moved"] for one in reports), sum(one["failed"] for one in reports)) == (12, 0)
    assert all(one["due"] == one["moved"] + one["unchanged"] + one["busy"] + one["failed"] for one in reports)
    for change in changes:
        assert triggers(workflow, change)[4:] == ["approve"]
        assert LaterClock(301.0).now() > workflow.get(change.id).updated_at


@pytest.mark.long
@SHARED_STORE
def test_a_wait_ends_when_another_process_has_moved_the_change(site: Site) -> None:
    """The store is all that the two share."""
    workflow = site.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    site.sandbox.approve(change.sn or "")
    site.sandbox.wait(lambda ledger: all(ticket.approve_result for ticket in ledger.tickets()))
    worker = site.start("reconcile", ahead=301.0)

    with ThreadPoolExecutor(2) as threads:
        waits = [
            threads.submit(workflow.wait, change.id, timeout=None, poll=0.01),
            threads.submit(lambda: asyncio.run(workflow.wait_async(change.id, timeout=None, poll=0.01))),
        ]
        worker.go_on()
        assert worker.hear()["moved"] == 1
        assert [wait.result(PATIENCE).state for wait in waits] == [State.APPROVED] * 2
